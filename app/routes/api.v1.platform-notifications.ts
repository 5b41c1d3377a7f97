/** `GET /api/v1/platform-notifications`: announcements for the CLI to print. An installation of one's own has none. */
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";

export const loader = apiLoader({ auth: "user" }, async () => jsonResponse({ notification: null }));
