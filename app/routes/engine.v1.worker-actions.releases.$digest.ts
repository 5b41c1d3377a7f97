/**
 * `GET /engine/v1/worker-actions/releases/:digest`: the bytes of a release for an agent; ranges continue a download that
 * was cut. `PUT`: the upload of a build, by its token; the digest is checked while the bytes come in.
 */
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { z } from "zod";
import { RELEASE_NODE_ABI_HEADER, RELEASE_PLATFORM_HEADER } from "../../agent/build/protocol";
import { jsonResponse } from "../api/dispatch/respond.server";
import { rangeOf } from "../api/dispatch/byteRange";
import { apiAction, apiLoader } from "../api/dispatch/route.server";
import { AppError } from "../utils/appError";

const Params = z.object({ digest: z.string().max(100) });
const MAX_HEADER = 60;

/** 200 with the whole, 206 with a part, 416 for a range that begins after the end. */
export const loader = apiLoader({ auth: "agent", params: Params }, async ({ app, params, request }) => {
  const { releases } = app.deployments;
  const bytes = await releases.size(params.digest);
  const headers: Record<string, string> = { "content-type": "application/gzip", "accept-ranges": "bytes", etag: `"${params.digest}"` };
  const range = rangeOf(request.headers.get("range"), bytes);
  if (range === "unsatisfiable") return new Response(null, { status: 416, headers: { ...headers, "content-range": `bytes */${bytes}` } });
  headers["content-length"] = String(range ? range.end - range.start + 1 : bytes);
  if (range) headers["content-range"] = `bytes ${range.start}-${range.end}/${bytes}`;
  if (request.method === "HEAD") return new Response(null, { headers });
  const { stream } = await releases.open(params.digest, range ?? undefined);
  return new Response(Readable.toWeb(stream) as unknown as BodyInit, { status: range ? 206 : 200, headers });
});

/** `{digest, bytes}`. A release that is there already is not read again. */
export const action = apiAction({ auth: "build", methods: ["PUT"], params: Params }, async ({ app, params, request }) => {
  const { releases } = app.deployments;
  const known = await releases.find(params.digest);
  if (known) {
    await request.body?.cancel();
    return jsonResponse({ digest: known.digest, bytes: known.bytes });
  }
  if (!request.body) throw new AppError("empty_body", 400, "The upload has no body. Send the packed release.");
  const platform = header(request, RELEASE_PLATFORM_HEADER);
  const nodeAbi = header(request, RELEASE_NODE_ABI_HEADER);
  const bytes = Readable.fromWeb(request.body as ReadableStream);
  const kept = await releases.keep({ digest: params.digest, platform, nodeAbi }, bytes);
  return jsonResponse({ digest: kept.digest, bytes: kept.bytes });
});

function header(request: Request, name: string): string {
  const value = request.headers.get(name) ?? "";
  if (value !== "" && value.length <= MAX_HEADER) return value;
  throw new AppError("invalid_header", 400, `Header ${name} must hold 1 to ${MAX_HEADER} characters.`);
}
