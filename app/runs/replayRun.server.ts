/** Triggers a finished or running run's task again, with what the first run had unless the body replaces it. */
import type { EnvironmentView } from "../environments/types";
import type { RunDetail, RunStore } from "../runops/runStore";
import { runIdOf, runNotFound } from "./findRun";
import type { ReplayBody, TriggerBody, TriggerOptions } from "./trigger/triggerBody";
import { MACHINE_PRESETS } from "./trigger/triggerBody";
import type { TriggerContext, TriggerResult, TriggerTaskService } from "./trigger/triggerTask.server";

export type ReplayInput = { env: EnvironmentView; run: string; body: ReplayBody; context: TriggerContext };

export class ReplayRunService {
  constructor(private readonly deps: { store: Pick<RunStore, "getRun">; triggerTask: TriggerTaskService }) {}

  /** The new run runs on the current version unless the body names one. Throws 404 and what a trigger throws. */
  async call(input: ReplayInput): Promise<TriggerResult> {
    const original = await this.deps.store.getRun(input.env.id, runIdOf(input.run));
    if (!original) throw runNotFound();
    return this.deps.triggerTask.call({
      env: input.env,
      task: original.header.task,
      body: replayedBody(original, input.body),
      context: input.context,
      oneTimeToken: null,
      replayOf: original.header.id,
    });
  }
}

/** Delay, idempotency key, parent and version are not repeated: they belonged to the first call. */
function replayedBody(original: RunDetail, body: ReplayBody): TriggerBody {
  const { header } = original;
  const own = header.options;
  const options: TriggerOptions = {
    queue: { name: body.queue ?? header.queue },
    tags: body.tags ?? header.tags,
    test: header.isTest,
    ...repeated({
      concurrencyKey: body.concurrencyKey ?? header.concurrencyKey,
      machine: body.machine ?? MACHINE_PRESETS.find((preset) => preset === own.machine),
      lockToVersion: body.version,
      region: body.region,
      delay: body.delay,
      ttl: body.ttl ?? own.ttl,
      idempotencyKey: body.idempotencyKey,
      idempotencyKeyTTL: body.idempotencyKeyTTL,
      maxAttempts: body.maxAttempts ?? own.maxAttempts,
      maxDuration: body.maxDuration ?? own.maxDuration,
      priority: body.priority ?? own.priority,
      metadata: body.metadata ?? original.metadata,
      metadataType: body.metadata === undefined ? original.metadataType : undefined,
    }),
  };
  return { options, ...payloadOf(original, body, options) };
}

/** Absent and null are the same here. */
function repeated(options: { [K in keyof TriggerOptions]?: TriggerOptions[K] | null }): TriggerOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null && value !== undefined));
}

function payloadOf(original: RunDetail, body: ReplayBody, options: TriggerOptions): { payload?: unknown } {
  if (body.payload !== undefined) {
    if (body.payloadType) options.payloadType = body.payloadType;
    return { payload: body.payload };
  }
  options.payloadType = original.header.payloadType;
  return original.header.payload === null ? {} : { payload: original.header.payload };
}
