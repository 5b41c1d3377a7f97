/** `POST /api/v1/deployments/:id/redeploy`: deploys the bundle of an earlier deployment again; answers the new one. */
import { lifecycleRoute } from "../api/deployments/deploymentCommands.server";

export const { loader, action } = lifecycleRoute((app, command) => app.deployments.lifecycle.redeploy.call(command));
