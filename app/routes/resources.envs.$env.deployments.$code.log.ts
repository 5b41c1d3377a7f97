/**
 * `GET /resources/envs/:env/deployments/:code/log`: with `format=text` the whole log (or that of `step`) as a file, else
 * `{lines, more}` of a range: `?step=&after=&before=`.
 */
import { createReadableStreamFromReadable, type LoaderFunctionArgs } from "@remix-run/node";
import { Readable } from "node:stream";
import { z } from "zod";
import { requireMemberEnvironment } from "../api/page.server";
import { STEPS } from "../deployments/phases";
import { deploymentOfCode } from "../deployments/rows/findByShortCode.server";
import { logText, RANGE_LINES, readLogRange } from "../presenters/deployments/log.server";
import { AppError } from "../utils/appError";
import { getApp } from "../wiring.server";

const querySchema = z.object({
  step: z.enum(STEPS).nullable(),
  after: z.coerce.number().int().min(0),
  before: z.coerce.number().int().min(0).nullable(),
});

/** For members of the environment's organization; 400 names a parameter that cannot be read. */
export async function loader({ request, params }: LoaderFunctionArgs): Promise<Response> {
  const env = await requireMemberEnvironment(request, params.env ?? "");
  const { pool } = getApp().deployments;
  const deployment = await deploymentOfCode(pool, env, params.code ?? "");
  const search = new URL(request.url).searchParams;
  const parsed = querySchema.safeParse({ step: search.get("step"), after: search.get("after") ?? 0, before: search.get("before") });
  if (!parsed.success) throw new AppError("invalid_query", 400, `Invalid query parameter "${String(parsed.error.issues[0]?.path[0])}".`);
  const { step, after, before } = parsed.data;
  if (search.get("format") === "text") {
    const name = `deployment-${deployment.version}${step ? `-${step}` : ""}.log`;
    return new Response(createReadableStreamFromReadable(Readable.from(logText(pool, deployment.id, step))), {
      headers: {
        "content-type": "text/plain; charset=utf-8",
        "content-disposition": `attachment; filename="${name}"`,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
      },
    });
  }
  const lines = await readLogRange(pool, deployment.id, { step, after, before });
  return Response.json({ lines, more: lines.length === RANGE_LINES }, { headers: { "cache-control": "no-store" } });
}
