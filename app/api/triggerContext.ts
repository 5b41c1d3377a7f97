/** What the headers of a write say beside its body. */
import type { TriggerContext } from "../runs/trigger/triggerTask.server";

const MAX_REQUEST_KEY_LENGTH = 256;

/** Reads the trace, origin and replay identity of a trigger-like request. */
export function triggerContextOf(request: Request): TriggerContext {
  const { headers } = request;
  const source = headers.get("x-trigger-source");
  const requestKey = headers.get("x-trigger-request-idempotency-key");
  return {
    trace: {
      traceparent: headers.get("traceparent"),
      tracestate: headers.get("tracestate"),
      fromWorker: headers.get("x-trigger-worker") !== null,
      parentAsLink: headers.get("x-trigger-span-parent-as-link") === "1",
    },
    requestKey: requestKey !== null && requestKey.length <= MAX_REQUEST_KEY_LENGTH ? requestKey : null,
    source: source === "sdk" || source === "cli" ? source : "api",
    // The SDK's input streams want to see "v2" on the run, whatever carries them.
    realtimeStreamsVersion: "v2",
  };
}
