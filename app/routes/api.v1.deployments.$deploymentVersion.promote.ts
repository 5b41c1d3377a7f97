/** `POST /api/v1/deployments/:version/promote?allowRollbacks=true|false`: makes a version the current one. */
import { changeCurrentRoute } from "../api/deployments/deploymentCommands.server";

export const { loader, action } = changeCurrentRoute("promote");
