/** Every API path without a route of its own, including features of later releases. */
import { apiAction, apiLoader } from "../api/dispatch/route.server";
import { unservedPath } from "../api/dispatch/unsupported";

export const loader = apiLoader({ auth: "none", cors: true }, ({ request }) => Promise.reject(unservedPath(new URL(request.url).pathname)));

export const action = apiAction({ auth: "none", cors: true, methods: ["POST", "PUT", "PATCH", "DELETE"] }, ({ request }) =>
  Promise.reject(unservedPath(new URL(request.url).pathname))
);
