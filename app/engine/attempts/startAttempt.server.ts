/** Starts an attempt: PENDING_EXECUTING, or EXECUTING after an immediate retry, becomes EXECUTING with attempt + 1. */
import type { EnvironmentDirectory, EnvironmentView } from "../../environments/types";
import type { LiveRun, RunStore, StartOutcome } from "../../runops/runStore";
import { MAX_ATTEMPTS } from "./attemptOutcome";
import type { Counters } from "../counters";
import { platformVariables, wireStartedAttempt } from "./executionPayload";
import type { Heartbeats } from "./heartbeats.server";
import { serverEnd, type RunEnds } from "./runEnds.server";
import type { RunHeaders } from "../dequeue/runHeaders.server";
import type { RunFeed, WorkerCall } from "../types";
import { storedError } from "../workers/wireErrors";
import { parseCall, staleSnapshot } from "../workers/workerCall";

type StartDeps = {
  store: Pick<RunStore, "start">;
  ends: RunEnds;
  headers: RunHeaders;
  heartbeats: Heartbeats;
  directory: Pick<EnvironmentDirectory, "workerVersion" | "queues" | "variables">;
  feed: RunFeed;
  counters: Counters;
  origin: string;
  otlpEndpoint(env: EnvironmentView): string;
};

const COUNTED = { started: "starts", replayed: "start_replays", refused: "start_refusals" } as const;

type Started = Extract<StartOutcome, { live: LiveRun }>;

export class StartAttemptService {
  constructor(private readonly deps: StartDeps) {}

  /**
   * Body of `attempts/start`. `replayKey` is the identity of the request (none is sent for runners in dev), so that a
   * repeat after a lost answer gets the same answer. Throws AppError 404 and 409.
   */
  async call(call: WorkerCall & { replayKey: string | null }): Promise<unknown> {
    const { runId, seq } = parseCall(call);
    await this.deps.headers.require(call.env.id, runId);
    const outcome = await this.deps.store.start({ runId, seq, replayKey: call.replayKey, maxAttempt: MAX_ATTEMPTS });
    this.deps.counters.count(COUNTED[outcome.kind]);
    if (outcome.kind === "refused") return this.refuse(call, seq, outcome.current);
    this.deps.heartbeats.started(outcome.live);
    if (outcome.kind === "started") this.publish(outcome.live);
    return this.answer(call.env, outcome);
  }

  private async answer(env: EnvironmentView, started: Started) {
    const { live, header, metadata, metadataType } = started;
    const [version, queues, variables] = await Promise.all([
      live.versionId ? this.deps.directory.workerVersion(live.versionId) : null,
      this.deps.directory.queues(env.id),
      this.deps.directory.variables(env.id),
    ]);
    if (!version) throw new Error(`Version ${live.versionId} of a started run is missing.`);
    const ours = platformVariables({ origin: this.deps.origin, otlpEndpoint: this.deps.otlpEndpoint(env) }, env);
    return wireStartedAttempt({ live, header, metadata, metadataType, env, version, queues, envVars: { ...variables, ...ours } });
  }

  private async refuse(call: WorkerCall, seq: number, current: LiveRun | null): Promise<never> {
    if (current && current.seq === seq && current.attempt >= MAX_ATTEMPTS) {
      const message = `TASK_RUN_MAX_ATTEMPTS: the run reached ${MAX_ATTEMPTS} attempts. Replay it to go on.`;
      const error = storedError({ type: "INTERNAL_ERROR", code: "TASK_EXECUTION_ABORTED", message });
      await this.deps.ends.finish(serverEnd(current, "SYSTEM_FAILURE", error), true);
    }
    throw staleSnapshot(call, current ? `the run is ${current.state}` : "the run is finished");
  }

  private publish(live: LiveRun): void {
    this.deps.feed.publish({ envId: live.envId, runId: live.id, seq: live.seq, state: live.state, status: live.status });
  }
}
