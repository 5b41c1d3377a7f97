/** Settings of the engine, read by `app/env.server.ts`. */
import { z } from "zod";

const milliseconds = (fallback: number, min = 1) => z.coerce.number().int().min(min).default(fallback);

export const engineEnvSchema = z.object({
  /** Milliseconds that a poll for work is held open when there is none. Default 20,000: half of common proxy timeouts. */
  SLUICE_DEQUEUE_HOLD_MS: milliseconds(20_000, 0),
  /** Milliseconds a worker has to start an attempt after it was handed a run. Default 60,000. */
  SLUICE_START_TIMEOUT_MS: milliseconds(60_000),
  /** Milliseconds without a heartbeat after which an attempt counts as stalled. Default 300,000 (a worker beats every 30 s). */
  SLUICE_HEARTBEAT_TIMEOUT_MS: milliseconds(300_000),
  /** Milliseconds a worker has to run `onCancel` hooks after a cancel. Default 60,000. */
  SLUICE_CANCEL_TIMEOUT_MS: milliseconds(60_000),
  /** Times a run may be handed out without being started before it fails. Default 12. */
  SLUICE_MAX_DELIVERIES: z.coerce.number().int().min(1).default(12),
  /** Processes that one `trigger dev` session may run at once. Default 25 or the environment's limit, whichever is larger. */
  SLUICE_DEV_MAX_CONCURRENT_RUNS: z.coerce.number().int().min(1).default(25),
});

export type EngineEnv = z.output<typeof engineEnvSchema>;

/** The same settings under the names that the engine's classes use. */
export type EngineOptions = {
  dequeueHoldMs: number;
  startTimeoutMs: number;
  heartbeatTimeoutMs: number;
  cancelTimeoutMs: number;
  maxDeliveries: number;
  devMaxConcurrentRuns: number;
};

/** Options from the environment. */
export function engineOptions(env: EngineEnv): EngineOptions {
  return {
    dequeueHoldMs: env.SLUICE_DEQUEUE_HOLD_MS,
    startTimeoutMs: env.SLUICE_START_TIMEOUT_MS,
    heartbeatTimeoutMs: env.SLUICE_HEARTBEAT_TIMEOUT_MS,
    cancelTimeoutMs: env.SLUICE_CANCEL_TIMEOUT_MS,
    maxDeliveries: env.SLUICE_MAX_DELIVERIES,
    devMaxConcurrentRuns: env.SLUICE_DEV_MAX_CONCURRENT_RUNS,
  };
}

/** What a server without any setting does. */
export const DEFAULT_ENGINE_OPTIONS: EngineOptions = engineOptions(engineEnvSchema.parse({}));
