/** `GET /resources/envs/:env/activity`: the counts beside the items of the navigation. */
import type { LoaderFunctionArgs } from "@remix-run/node";
import { jsonResponse } from "../api/dispatch/respond.server";
import { requireMemberEnvironment } from "../api/page.server";
import { presentActivity } from "../presenters/activity.server";
import { getApp } from "../wiring.server";

/** For members of the environment's organization; 401 without a session. */
export async function loader({ request, params }: LoaderFunctionArgs): Promise<Response> {
  const env = await requireMemberEnvironment(request, params.env ?? "");
  return jsonResponse(await presentActivity(getApp(), env.id), { headers: { "cache-control": "no-store" } });
}
