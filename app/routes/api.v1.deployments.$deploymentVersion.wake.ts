/** `POST /api/v1/deployments/:id/wake`: starts the replicas of a version that was stopped. */
import { lifecycleRoute } from "../api/deployments/deploymentCommands.server";

export const { loader, action } = lifecycleRoute((app, command) => app.deployments.lifecycle.wake.call(command));
