/** `POST /api/v1/deployments/:version/rollback`: goes back to an older version and stays there until someone promotes. */
import { changeCurrentRoute } from "../api/deployments/deploymentCommands.server";

export const { loader, action } = changeCurrentRoute("rollback");
