/** `POST /api/v1/deployments/:id/stop`: stops the replicas of a version that is not the current one. */
import { lifecycleRoute } from "../api/deployments/deploymentCommands.server";

export const { loader, action } = lifecycleRoute((app, command) => app.deployments.lifecycle.stop.call(command));
