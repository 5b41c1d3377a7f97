/**
 * Creates one run. This is the hot path: with warm caches it makes no read of its own, and its only wait is the store's
 * group commit. Order: feature checks, parent, version, queue, options, size of the queue, insert.
 */
import { hash } from "node:crypto";
import type { EnvironmentCaller } from "../../auth/types";
import type { EnvironmentView } from "../../environments/types";
import type { Clock } from "../../platform/clock";
import { errorMessage, type Logger } from "../../platform/logger";
import type { NewRun, RunOptions, RunStore, TriggerOutcome } from "../../runops/runStore";
import { AppError } from "../../utils/appError";
import { mintId, mintLike, parseFriendlyId } from "../../utils/ids";
import { resolveDelay } from "./durations";
import { encodeMetadata } from "../metadata/metadata.server";
import type { PacketStore } from "../packets/packetStore.server";
import type { QueueSizeGuard } from "./queueSizeGuard";
import {
  checkTaskId,
  defaultTtlSeconds,
  refuseUnsupported,
  resolveIdempotency,
  resolvePayload,
  resolveQueue,
  resolveTags,
  resolveTtl,
  type Ttl,
} from "./resolveTrigger";
import type { TriggerVersion, TriggerVersions } from "./triggerVersions.server";
import { resolveTrace, type CallerTrace } from "./traceContext";
import type { TriggerBody, TriggerOptions } from "./triggerBody";
import { OFFLOAD_PAYLOAD_BYTES, type RunsEngine, type RunsLimits } from "../types";

/** What the request says beside its body. */
export type TriggerContext = {
  trace: CallerTrace;
  /** `x-trigger-request-idempotency-key`: a repeat answers the first run. */
  requestKey: string | null;
  source: NonNullable<RunOptions["triggerSource"]>;
  realtimeStreamsVersion: string;
};

export type TriggerInput = {
  env: EnvironmentView;
  task: string;
  body: TriggerBody;
  context: TriggerContext;
  oneTimeToken: EnvironmentCaller["oneTimeToken"];
  /** Set by a replay: the run that is repeated, and what it hands down beyond its options. */
  replayOf?: string;
};

/** `isCached`: an idempotency key answered with an earlier run. */
export type TriggerResult = { runId: string; isCached: boolean };

type Deps = {
  store: Pick<RunStore, "trigger" | "getRuns">;
  versions: TriggerVersions;
  engine: Pick<RunsEngine, "afterTrigger" | "promotePendingVersions">;
  clock: Clock;
  log: Logger;
  packets: Pick<PacketStore, "write">;
  queueSizes: QueueSizeGuard;
  limits: RunsLimits;
};

type Parent = Pick<NewRun, "rootId" | "parentId" | "depth">;
type Placed = TriggerVersion & { region: string };
type Timing = { ttl: Ttl; delayUntilMs: number | null; priority: number };

const NO_OPTIONS: TriggerOptions = {};
const NO_PARENT: Parent = { rootId: null, parentId: null, depth: 0 };
const QUEUED = { state: "QUEUED", status: "PENDING" } as const;
const DELAYED = { state: "DELAYED", status: "DELAYED" } as const;
/** A run that waits for a deployment which never comes ends after this time. */
const VERSION_DEADLINE_MS = 3_600_000;
const MIN_MAX_DURATION_SECONDS = 5;
/** What the column and the SDK take for "no limit". */
const NO_MAX_DURATION = 2_147_483_647;

export class TriggerTaskService {
  constructor(private readonly deps: Deps) {}

  /** Answers when the run is committed. Throws AppError 4xx with nothing written. */
  async call(input: TriggerInput): Promise<TriggerResult> {
    const { env, task } = input;
    const options = input.body.options ?? NO_OPTIONS;
    checkTaskId(task);
    refuseUnsupported(options);
    const parent = options.parentRunId === undefined ? NO_PARENT : await this.#parent(env, options.parentRunId);
    const version = await this.deps.versions.resolve(env, task, options);
    const region = await this.deps.versions.region(env, options.region);
    const run = this.#build(input, options, parent, { ...version, region });
    if (options.metadata !== undefined) run.metadata = await encodeMetadata(options.metadata, options.metadataType);
    if (run.payload !== null && run.payload.length > OFFLOAD_CHECK_UNITS) await this.#offload(run);
    this.deps.queueSizes.admit(env, run.queue);
    return this.#answer(run, await this.deps.store.trigger(run));
  }

  async #parent(env: EnvironmentView, friendly: string): Promise<Parent> {
    const id = parseFriendlyId("run", friendly);
    const parent = id === null ? undefined : (await this.deps.store.getRuns(env.id, [id])).get(id);
    if (!parent) throw new AppError("unknown_parent", 404, `No run ${friendly} in this environment to be the parent.`);
    const { header } = parent;
    return { parentId: header.id, rootId: header.rootId ?? header.id, depth: header.depth + 1 };
  }

  /** The deployment may have come between the lookup and the insert. */
  #lookAgain(envId: string): void {
    this.deps.engine.promotePendingVersions(envId).catch((error: unknown) => {
      this.deps.log.warn("pending_version.failed", { envId, message: errorMessage(error) });
    });
  }

  #build(input: TriggerInput, options: TriggerOptions, parent: Parent, version: Placed): NewRun {
    const { env, task, body, context } = input;
    const nowMs = this.deps.clock.now();
    const timing: Timing = {
      ttl: resolveTtl(options.ttl, version.config, defaultTtlSeconds(env, this.deps.limits)),
      delayUntilMs: options.delay === undefined ? null : resolveDelay(options.delay, nowMs),
      priority: options.priority ?? 0,
    };
    const packet = resolvePayload(body.payload, options.payloadType);
    const trace = resolveTrace(context.trace);
    const idempotency = resolveIdempotency(options.idempotencyKey, options.idempotencyKeyTTL, nowMs, this.deps.limits.runRetentionMs);
    return {
      id: parent.parentId === null ? mintId(nowMs) : mintLike(parent.parentId, nowMs),
      envId: env.id,
      task,
      queue: resolveQueue(options, task, version.config, version.locked),
      concurrencyKey: options.concurrencyKey || null,
      region: version.region,
      payload: packet.data,
      payloadType: packet.type,
      traceId: trace.traceId,
      spanId: trace.spanId,
      parentSpanId: trace.parentSpanId,
      traceContext: trace.traceContext,
      tags: resolveTags(options.tags),
      rootId: parent.rootId,
      parentId: parent.parentId,
      depth: parent.depth,
      batchId: null,
      batchIndex: null,
      idempotencyKey: idempotency === null ? null : idempotency.key,
      scheduleId: null,
      replayOf: input.replayOf ?? null,
      isTest: options.test ?? false,
      options: { ...runOptions(options, timing, context), ...version.options },
      initial: initialOf(timing, version),
      score: (timing.delayUntilMs ?? nowMs) - Math.round(timing.priority * 1_000),
      dueAt: version.waitsFor === null ? firstDue(timing, nowMs) : new Date(nowMs + VERSION_DEADLINE_MS),
      versionId: version.locked === null ? null : version.locked.id,
      metadata: null,
      metadataType: "application/json",
      idempotency,
      requestHash: context.requestKey ? requestHash(env.id, task, context.requestKey) : null,
      oneTimeToken: input.oneTimeToken,
    };
  }

  /** Large payloads are files, written and synced before the row that names them is committed. */
  async #offload(run: NewRun): Promise<void> {
    if (run.payload === null || run.payloadType === "application/store" || Buffer.byteLength(run.payload) <= OFFLOAD_PAYLOAD_BYTES) return;
    const path = `payloads/${run.id}/payload`;
    await this.deps.packets.write(run.envId, path, run.payload, run.payloadType);
    run.payload = path;
    run.payloadType = "application/store";
  }

  #answer(run: NewRun, outcome: TriggerOutcome): TriggerResult {
    switch (outcome.kind) {
      case "created":
      case "created-canceled":
        // Not awaited: the run is safe in the database, and the engine's re-check mends a lost offer.
        void this.deps.engine.afterTrigger(run, outcome.kind);
        if (run.initial.state === "RUN_CREATED") this.#lookAgain(run.envId);
        return { runId: outcome.runId, isCached: false };
      case "replayed":
        return { runId: outcome.runId, isCached: false };
      case "cached":
        return { runId: outcome.runId, isCached: true };
      case "token-used":
        throw new AppError("token_used", 401, "This one-time token was already used. Ask your server for a new one.");
    }
  }
}

/** What waits for a version waits with its delay, too: the delay is armed when the version has come. */
function initialOf(timing: Timing, version: TriggerVersion): NewRun["initial"] {
  if (version.waitsFor !== null) {
    return {
      state: "RUN_CREATED",
      status: "PENDING_VERSION",
      reason: `Waiting for the deployment with external id "${version.waitsFor}".`,
    };
  }
  return timing.delayUntilMs === null ? QUEUED : DELAYED;
}

/** A UTF-16 unit has at most three bytes: shorter payloads need no counting. */
const OFFLOAD_CHECK_UNITS = OFFLOAD_PAYLOAD_BYTES / 3;

/** A delayed run waits for its delay; its time to live starts then, and is armed by the engine. */
function firstDue(timing: Timing, nowMs: number): Date | null {
  if (timing.delayUntilMs !== null) return new Date(timing.delayUntilMs);
  return timing.ttl ? new Date(nowMs + timing.ttl.seconds * 1_000) : null;
}

/** Only what the caller said: the row of a plain trigger stays small. */
function runOptions(options: TriggerOptions, timing: Timing, context: TriggerContext): RunOptions {
  const out: RunOptions = { triggerSource: context.source, realtimeStreamsVersion: context.realtimeStreamsVersion };
  if (timing.ttl) {
    out.ttlSeconds = timing.ttl.seconds;
    out.ttl = timing.ttl.text;
  }
  if (timing.delayUntilMs !== null) out.delayUntil = new Date(timing.delayUntilMs).toISOString();
  if (options.priority) out.priority = options.priority;
  if (options.machine) out.machine = options.machine;
  if (options.maxAttempts !== undefined) out.maxAttempts = options.maxAttempts;
  if (options.maxDuration) out.maxDuration = clampMaxDuration(options.maxDuration);
  if (options.lockToVersion !== undefined) out.lockToVersion = options.lockToVersion;
  if (options.idempotencyKeyOptions) out.idempotencyKeyOptions = options.idempotencyKeyOptions;
  return out;
}

function clampMaxDuration(seconds: number): number {
  return Math.min(Math.max(seconds, MIN_MAX_DURATION_SECONDS), NO_MAX_DURATION);
}

/** 16 bytes that name one call of one caller; only equality matters. */
function requestHash(envId: string, task: string, key: string): Buffer {
  return hash("sha256", `${envId}\0${task}\0${key}`, "buffer").subarray(0, 16);
}
