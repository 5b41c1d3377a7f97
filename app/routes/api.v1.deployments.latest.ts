/** `GET /api/v1/deployments/latest`: the newest deployment that its user hosts. This server has none: it runs all itself. */
import { apiLoader } from "../api/dispatch/route.server";
import { AppError } from "../utils/appError";

export const loader = apiLoader({ auth: "environment" }, () =>
  Promise.reject(
    new AppError(
      "no_unmanaged_deployments",
      404,
      "No deployment found: this server has no unmanaged ones. See /api/v1/deployments/current."
    )
  )
);
