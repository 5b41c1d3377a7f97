/** Protection of forms against requests from other sites: the browser says where they come from. */
import { AppError } from "../utils/appError";

/** What a check needs of a request, whatever serves it. */
export type Sender = { method: string; headers: { get(name: string): string | null } };

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Throws 403 for an unsafe method whose `Origin` is another site's. The origin must be the one that was configured or the
 * one that the request was sent to (a machine has several names). Requests without `Origin` must say same-origin in
 * `Sec-Fetch-Site`: every current browser sends at least one of the two with a form.
 */
export function assertSameOrigin(request: Sender, configuredOrigin: string): void {
  if (SAFE_METHODS.has(request.method)) return;
  const origin = request.headers.get("origin");
  if (origin === null) {
    const site = request.headers.get("sec-fetch-site");
    if (site === "same-origin" || site === "none") return;
  } else if (origin === configuredOrigin || hostOf(origin) === request.headers.get("host")) {
    return;
  }
  throw new AppError(
    "cross_site_request",
    403,
    "This form was sent from another site. Open the page on this server and try again; behind a proxy, set PUBLIC_URL to the address that the browser shows."
  );
}

function hostOf(origin: string): string | null {
  try {
    return new URL(origin).host;
  } catch {
    return null;
  }
}
