/**
 * The worker protocol of deployed runs: one method a route. The services are those of dev workers; what differs is who
 * asks (an agent, for its whole region) and that a run has to be one that the region hands out.
 */
import type { AgentCaller } from "../../auth/types";
import type { EnvironmentDirectory, EnvironmentView } from "../../environments/types";
import type { Clock } from "../../platform/clock";
import type { CompleteAttemptService } from "../attempts/completeAttempt.server";
import type { ContinueRunService } from "./continueRun.server";
import type { DequeueHub } from "../dequeue/dequeueHub.server";
import type { HandedRun } from "../dequeue/handOver.server";
import type { Heartbeats } from "../attempts/heartbeats.server";
import type { LatestSnapshotService } from "../attempts/latestSnapshot.server";
import { runNotFound } from "../dequeue/runHeaders.server";
import type { RunPlaces } from "../dequeue/runPlaces.server";
import type { SnapshotsSinceService } from "../attempts/snapshotsSince.server";
import type { StallService } from "../timers/stalls.server";
import type { StartAttemptService } from "../attempts/startAttempt.server";
import type { AgentCall, RegionDequeue, WorkerActions } from "../types";
import { wireDequeuedMessage } from "./wireShapes";
import { parseRunId } from "./workerCall";

const MAX_RUNS_AN_ANSWER = 20;

type WorkerActionsDeps = {
  hub: DequeueHub;
  places: RunPlaces;
  starts: StartAttemptService;
  completes: CompleteAttemptService;
  continues: ContinueRunService;
  heartbeats: Heartbeats;
  latest: LatestSnapshotService;
  since: SnapshotsSinceService;
  stalls: StallService;
  directory: Pick<EnvironmentDirectory, "byId">;
  clock: Clock;
};

/** Binds the services to the routes' shapes. */
export function createWorkerActions(deps: WorkerActionsDeps): WorkerActions {
  const located = async <Call extends Omit<AgentCall, "snapshotId">>(call: Call) => ({ ...call, env: await environmentOf(deps, call) });
  return {
    dequeue: (agent, body, signal) => dequeue(deps, { agent, body, signal }),
    start: async (call) => deps.starts.call(await located(call)),
    complete: async (call) => deps.completes.call(await located(call)),
    heartbeat: async (call) => deps.heartbeats.call(await located(call)),
    continue: async (call) => deps.continues.call(await located(call)),
    release: async (call) => deps.stalls.release(await located(call)),
    latestSnapshot: async (call) => deps.latest.call(await located(call)),
    snapshotsSince: async (call) => deps.since.call(await located(call)),
    requireRun: async (agent, runId) => void (await environmentOf(deps, { agent, runId })),
  };
}

/** The environment of the run; throws 404 for a run that the agent's region does not hand out. */
async function environmentOf(deps: WorkerActionsDeps, call: { agent: AgentCaller; runId: string }): Promise<EnvironmentView> {
  const envId = await deps.places.requireIn(call.agent.region.name, parseRunId(call.runId));
  const env = await deps.directory.byId(envId);
  if (!env) throw runNotFound();
  return env;
}

type Dequeue = { agent: AgentCaller; body: RegionDequeue; signal: AbortSignal };

async function dequeue(deps: WorkerActionsDeps, { agent, body, signal }: Dequeue): Promise<unknown[]> {
  const region = agent.region.name;
  const { maxResources, waitMs } = body;
  const target = { kind: "region" as const, region, ...(maxResources ? { maxResources } : {}) };
  const count = Math.min(body.maxRunCount ?? 1, MAX_RUNS_AN_ANSWER);
  const runs = await deps.hub.pollMany({ region, target, signal, holdMs: waitMs ?? 0 }, count);
  const dequeuedAt = new Date(deps.clock.now());
  return runs.map((run) => {
    remember(deps, run);
    return wireDequeuedMessage({ ...run, dequeuedAt });
  });
}

function remember({ places }: WorkerActionsDeps, { live }: HandedRun): void {
  places.remember(live.id, { envId: live.envId, region: live.lane.region });
}
