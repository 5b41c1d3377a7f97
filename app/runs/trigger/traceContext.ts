/** The run's place in a trace: a child span of the calling task, a trace of its own, or one beside an external trace. */
import { randomBytes } from "node:crypto";

/** What the request's headers say about its trace. */
export type CallerTrace = {
  traceparent: string | null;
  tracestate: string | null;
  /** The call comes from inside a task (`x-trigger-worker`), so `traceparent` names a span of ours. */
  fromWorker: boolean;
  /** Fire-and-forget from a task: a trace of its own that links to the caller's. */
  parentAsLink: boolean;
};

export type RunTrace = {
  traceId: string;
  spanId: string;
  parentSpanId: string | null;
  traceContext: Record<string, unknown> | null;
};

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const TRACE_CHARS = 32;
const SPAN_CHARS = 16;
const MAX_TRACESTATE = 512;
const BLOCK_BYTES = 24 * 256;

/** Drawn in blocks: a `randomBytes` call for each run costs more than all the rest of this file. */
let block = "";
let blockAt = 0;

function randomHex(chars: number): string {
  if (blockAt + chars > block.length) {
    block = randomBytes(BLOCK_BYTES).toString("hex");
    blockAt = 0;
  }
  blockAt += chars;
  return block.slice(blockAt - chars, blockAt);
}

/** A malformed `traceparent` counts as none: a caller's tracing must never fail its trigger. */
export function resolveTrace(caller: CallerTrace): RunTrace {
  const match = caller.traceparent === null ? null : TRACEPARENT.exec(caller.traceparent);
  const [, traceId = "", spanId = ""] = match ?? [];
  if (!match || /^0+$/.test(traceId)) return ownTrace(null);
  if (!caller.fromWorker) return ownTrace({ external: externalContext(caller) });
  if (caller.parentAsLink) return ownTrace({ link: { traceId, spanId } });
  return { traceId, spanId: randomHex(SPAN_CHARS), parentSpanId: spanId, traceContext: tracestateOf(caller) };
}

function ownTrace(traceContext: Record<string, unknown> | null): RunTrace {
  return { traceId: randomHex(TRACE_CHARS), spanId: randomHex(SPAN_CHARS), parentSpanId: null, traceContext };
}

function externalContext(caller: CallerTrace): Record<string, unknown> {
  return { traceparent: caller.traceparent, ...tracestateOf(caller) };
}

function tracestateOf(caller: CallerTrace): Record<string, unknown> | null {
  return caller.tracestate && caller.tracestate.length <= MAX_TRACESTATE ? { tracestate: caller.tracestate } : null;
}
