/**
 * Ends an attempt. The quoted snapshot must belong to the current attempt, not be the newest: the server moves runs by
 * itself, and a worker that finishes in that instant must not be refused. A repeat of a completion gets the same answer.
 */
import type { Clock } from "../../platform/clock";
import type { FinalRunStatus } from "../../runops/runStates";
import type { LiveRun, RunResult, RunStore } from "../../runops/runStore";
import { RetryableError } from "../../utils/appError";
import { bounded, usageOf } from "./completion";
import type { Counters } from "../counters";
import type { CompletionMetadata, MetadataChanges } from "./completionMetadata.server";
import type { FailedAttempts, FailureOutcome } from "./failedAttempts.server";
import type { Heartbeats } from "./heartbeats.server";
import type { EndOutcome, EndRequest, RunEnds } from "./runEnds.server";
import type { HeaderView, RunHeaders } from "../dequeue/runHeaders.server";
import type { Completion, WireError, WorkerCall } from "../types";
import { cleanText, storedError } from "../workers/wireErrors";
import { pointOf, wireRun, wireSnapshot, type RunPoint } from "../workers/wireShapes";
import { parseCall, staleSnapshot } from "../workers/workerCall";

const MAX_TRIES = 10;

type AttemptStatus = "RUN_FINISHED" | "RUN_PENDING_CANCEL" | "RETRY_QUEUED" | "RETRY_IMMEDIATELY";
/** `forceRequeue`: the process is gone, so a retry must not wait for it. */
type CompleteCall = WorkerCall & { completion: Completion; forceRequeue?: boolean };
/** A completion with everything about its run that does not change between tries. */
type Context = { call: CompleteCall; header: HeaderView; quoted: number; metadata: MetadataChanges | null };

type CompleteDeps = {
  store: Pick<RunStore, "getLive" | "getRun">;
  ends: RunEnds;
  failures: FailedAttempts;
  headers: RunHeaders;
  heartbeats: Heartbeats;
  metadata: CompletionMetadata;
  counters: Counters;
  clock: Clock;
};

export class CompleteAttemptService {
  constructor(private readonly deps: CompleteDeps) {}

  /** Body of `attempts/complete`. Throws AppError 404 for an unknown run, 409 for another attempt. */
  async call(call: CompleteCall): Promise<unknown> {
    this.deps.counters.count("completions");
    const { runId, seq } = parseCall(call);
    const header = await this.deps.headers.require(call.env.id, runId);
    const completion = bounded(call.completion);
    const metadata = this.deps.metadata.parse(runId, completion.flushedMetadata);
    const context: Context = { call: { ...call, completion }, header, quoted: seq, metadata };
    return completion.ok ? this.succeed(context, completion) : this.fail(context, completion);
  }

  private async succeed(context: Context, completion: Extract<Completion, { ok: true }>): Promise<unknown> {
    return this.finish(context, {
      ...this.ending(context),
      status: "COMPLETED_SUCCESSFULLY",
      output: completion.output === undefined ? null : cleanText(completion.output),
      outputType: cleanText(completion.outputType).slice(0, 256),
      error: null,
    });
  }

  /** One read decides, one compare-and-set applies; the read is repeated when the run moved in between. */
  private async fail(context: Context, completion: Extract<Completion, { ok: false }>): Promise<unknown> {
    const { header, quoted } = context;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const live = (await this.deps.store.getLive([header.id])).get(header.id);
      if (!live) return this.replayFinished(context);
      if (!isQuotable(live, quoted)) throw staleSnapshot(context.call, `the run is ${live.state}, attempt ${live.attempt}`);
      if (live.state === "PENDING_CANCEL" || isCancel(completion.error)) {
        return this.finish(context, this.failing(context, "CANCELED", completion.error));
      }
      if (live.attemptClosed) return replayOf(live);
      const { env, forceRequeue } = context.call;
      const outcome = await this.deps.failures.call({ live, header, env, completion, forceRequeue });
      if (outcome.kind === "missed") continue;
      return this.afterFailure(context, outcome, completion.error);
    }
    throw contended(header.id);
  }

  private async afterFailure(context: Context, outcome: Exclude<FailureOutcome, { kind: "missed" }>, error: WireError): Promise<unknown> {
    if (outcome.kind === "final") return this.finish(context, this.failing(context, outcome.status, error));
    if (context.metadata) {
      await this.deps.metadata.applyOwn(context.header, context.metadata);
      await this.deps.metadata.applyToAncestors(context.header, context.metadata);
    }
    if (outcome.kind === "retry-queued") this.deps.heartbeats.ended(context.header.id);
    return answer(outcome.kind === "retry-queued" ? "RETRY_QUEUED" : "RETRY_IMMEDIATELY", pointOf(outcome.live));
  }

  /** Commits the end; metadata is computed anew when somebody changed it meanwhile. */
  private async finish(context: Context, request: EndRequest): Promise<unknown> {
    let guard = request.guard;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const metadata = context.metadata ? await this.deps.metadata.own(context.header, context.metadata) : undefined;
      const outcome = await this.deps.ends.finish({ ...request, guard, metadata }, false);
      if (outcome.kind === "metadata-conflict") continue;
      if (outcome.kind === "attempt-closed" && outcome.current.seq === context.quoted && request.status === "CANCELED") {
        // Cancelled while the worker slept between two attempts: it quotes the newest snapshot, and no attempt is open.
        guard = { seq: outcome.current.seq };
        continue;
      }
      return this.answerFinish(context, outcome);
    }
    throw contended(context.header.id);
  }

  private async answerFinish(context: Context, outcome: Exclude<EndOutcome, { kind: "metadata-conflict" }>): Promise<unknown> {
    switch (outcome.kind) {
      case "finished":
        this.deps.heartbeats.ended(context.header.id);
        // After the end, so that a repeated completion cannot count twice in its parent.
        if (context.metadata) await this.deps.metadata.applyToAncestors(context.header, context.metadata);
        return answer("RUN_FINISHED", {
          id: outcome.live.id,
          seq: outcome.finalSeq,
          state: "FINISHED",
          status: outcome.status,
          attempt: outcome.live.attempt,
          at: new Date(this.deps.clock.now()),
        });
      case "replayed":
        return answer("RUN_FINISHED", resultPoint(outcome.result));
      case "attempt-closed":
        return replayOf(outcome.current);
      case "refused":
        if (outcome.result && isReplay(outcome.result, context.quoted)) return answer("RUN_FINISHED", resultPoint(outcome.result));
        throw staleSnapshot(context.call, outcome.current ? `the run is ${outcome.current.state}` : "the run is finished");
    }
  }

  private async replayFinished(context: Context): Promise<unknown> {
    const result = (await this.deps.store.getRun(context.header.envId, context.header.id))?.result;
    if (result && isReplay(result, context.quoted)) return answer("RUN_FINISHED", resultPoint(result));
    throw staleSnapshot(context.call, "the run is finished");
  }

  private failing(context: Context, status: FinalRunStatus, error: WireError): EndRequest {
    const freeIdempotencyKey = status !== "CANCELED";
    return { ...this.ending(context), status, output: null, outputType: "application/json", error: storedError(error), freeIdempotencyKey };
  }

  private ending(context: Context): Pick<EndRequest, "runId" | "guard" | "usageMs" | "costInCents" | "freeIdempotencyKey"> {
    const usageMs = usageOf(context.call.completion);
    return { runId: context.header.id, guard: { quoted: context.quoted }, usageMs, costInCents: 0, freeIdempotencyKey: false };
  }
}

function answer(attemptStatus: AttemptStatus, point: RunPoint) {
  return { result: { attemptStatus, snapshot: wireSnapshot(point), run: wireRun(point) } };
}

/** The attempt had ended before this call: the same answer as then. */
function replayOf(live: LiveRun) {
  if (live.state === "PENDING_CANCEL") return answer("RUN_PENDING_CANCEL", pointOf(live));
  return answer(live.state === "EXECUTING" ? "RETRY_IMMEDIATELY" : "RETRY_QUEUED", pointOf(live));
}

function resultPoint(result: RunResult): RunPoint {
  return {
    id: result.id,
    seq: result.finalSeq,
    state: "FINISHED",
    status: result.status,
    attempt: result.attempts,
    at: result.completedAt,
  };
}

function isQuotable(live: LiveRun, quoted: number): boolean {
  return live.attemptSeq !== null && quoted >= live.attemptSeq && quoted <= live.seq;
}

function isReplay(result: RunResult, quoted: number): boolean {
  return result.attemptSeq !== null && quoted >= result.attemptSeq && quoted <= result.finalSeq;
}

function isCancel(error: WireError): boolean {
  return error.type === "INTERNAL_ERROR" && error.code === "TASK_RUN_CANCELLED";
}

function contended(runId: string): RetryableError {
  return new RetryableError("run_contended", `Run run_${runId} changes too quickly. Try again.`);
}
