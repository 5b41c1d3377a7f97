/** `GET /resources/envs/:env/rows?ids=a,b`: rows of the runs table that newer runs pushed off the page. */
import type { LoaderFunctionArgs } from "@remix-run/node";
import { jsonResponse } from "../api/dispatch/respond.server";
import { environmentPath, requireMemberEnvironment, timeZoneOf } from "../api/page.server";
import { presentRunRows } from "../presenters/runs/runList.server";
import { getApp } from "../wiring.server";

/** `{rows}`; ids that are not runs of the environment are left out. */
export async function loader({ request, params }: LoaderFunctionArgs): Promise<Response> {
  const env = await requireMemberEnvironment(request, params.env ?? "");
  const ids = (new URL(request.url).searchParams.get("ids") ?? "").split(",").filter(Boolean);
  const base = environmentPath(env.organization.slug, env.project.slug, env.slug);
  return jsonResponse({ rows: await presentRunRows(getApp(), { env, base, ids, timeZone: timeZoneOf(request) }) });
}
