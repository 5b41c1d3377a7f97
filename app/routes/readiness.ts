/** GET /readiness: 200 when the stores answer and all migrations are applied, else 503; the body names each check. */
import { jsonResponse } from "../api/dispatch/respond.server";
import { readiness } from "../platform/readiness.server";

export async function loader(): Promise<Response> {
  const report = await readiness();
  return jsonResponse(report, { status: report.ready ? 200 : 503, headers: { "cache-control": "no-store" } });
}
