/** Ports and shared shapes of the runs domain. */
import type { Engine } from "../engine/engine.server";

/** What runs need of the engine. */
export type RunsEngine = Pick<Engine, "afterTrigger" | "cancel" | "reschedule" | "promotePendingVersions">;

/** Bounds that an operator may change (`app/runs/env.ts`). */
export type RunsLimits = {
  /** Most queued runs in one queue of a development environment. */
  maximumDevQueueSize: number;
  /** Most queued runs in one queue of every other environment. */
  maximumDeployedQueueSize: number;
  /** Seconds that a queued dev run lives when neither the call nor the task says; 0: for ever. */
  devDefaultTtlSeconds: number;
  /** Milliseconds that finished runs are kept; no idempotency key outlives it. */
  runRetentionMs: number;
};

/** 3 MB: most bytes of a payload as sent in the body. */
export const MAX_PAYLOAD_BYTES = 3 * 1024 * 1024;
/** Payloads above this go to the packet store, so that a list of runs or a dequeue never drags them along. */
export const OFFLOAD_PAYLOAD_BYTES = 512 * 1024;
/** 256 KB: most bytes of a run's metadata as JSON. */
export const MAX_METADATA_BYTES = 256 * 1024;
export const MAX_TAGS = 10;
export const MAX_TAG_LENGTH = 128;
/** Also the longest queue name and concurrency key. */
export const MAX_NAME_LENGTH = 128;
export const MAX_IDEMPOTENCY_KEY_LENGTH = 2_048;
