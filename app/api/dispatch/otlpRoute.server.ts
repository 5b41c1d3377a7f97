/** The three OTLP routes: the token in the path is the credential, the body is bytes, the answer is in the body's encoding. */
import { z } from "zod";
import type { OtlpSignal } from "../../telemetry/types";
import { AppError } from "../../utils/appError";
import { ClientGoneError } from "./respond.server";
import { apiAction } from "./route.server";

/** Packed or not, more is refused while it arrives. */
const MAX_BODY_BYTES = 20 * 1024 * 1024;

const params = z.object({ token: z.string().max(200) });

/** An action for `POST /otel/<token>/v1/<signal>`. A token that proves nothing is a 401: exporters do not retry it. */
export function otlpAction(signal: OtlpSignal) {
  return apiAction({ auth: "none", params }, async ({ app, request, params: { token } }) => {
    const envId = app.telemetry.environmentOfToken(token);
    if (!envId)
      throw new AppError(
        "invalid_otlp_token",
        401,
        "This OTLP address is not valid. Use the one that the run was given as OTEL_EXPORTER_OTLP_ENDPOINT."
      );
    const answer = await app.telemetry.ingest(envId, signal, {
      body: await readBytes(request),
      contentType: request.headers.get("content-type"),
      contentEncoding: request.headers.get("content-encoding"),
    });
    return new Response(answer.body, { headers: { "content-type": answer.contentType } });
  });
}

async function readBytes(request: Request): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) throw tooLarge();
  try {
    return await collect(request.body);
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new ClientGoneError("The request body ended early.", { cause: error });
  }
}

async function collect(body: Request["body"]): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (body ?? []) as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > MAX_BODY_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): AppError {
  return new AppError("body_too_large", 413, `An OTLP request may have at most ${MAX_BODY_BYTES} bytes. Send smaller batches.`);
}
