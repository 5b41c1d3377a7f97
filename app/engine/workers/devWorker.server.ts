/** The worker protocol of `trigger dev`: one method a route, each handing over to its service. */
import type { EnvironmentDirectory, EnvironmentView, WorkerVersion } from "../../environments/types";
import type { Clock } from "../../platform/clock";
import { AppError } from "../../utils/appError";
import { parseFriendlyId } from "../../utils/ids";
import type { CompleteAttemptService } from "../attempts/completeAttempt.server";
import type { DequeueHub } from "../dequeue/dequeueHub.server";
import type { DevDisconnectService } from "../cancel/devDisconnect.server";
import type { EngineOptions } from "../env";
import type { Heartbeats } from "../attempts/heartbeats.server";
import type { LatestSnapshotService } from "../attempts/latestSnapshot.server";
import type { DevPresence } from "./presence.server";
import type { RegisterWorkerService } from "./registerWorker.server";
import type { SnapshotsSinceService } from "../attempts/snapshotsSince.server";
import type { StartAttemptService } from "../attempts/startAttempt.server";
import type { DevWorker } from "../types";
import { wireDequeuedMessage } from "./wireShapes";

/** Milliseconds between the CLI's polls after an answer with a run, and after an empty one (which was held already). */
const INTERVAL_WITH_RUN_MS = 10;
const INTERVAL_WITHOUT_RUN_MS = 50;

type DevWorkerDeps = {
  hub: DequeueHub;
  starts: StartAttemptService;
  completes: CompleteAttemptService;
  heartbeats: Heartbeats;
  latest: LatestSnapshotService;
  since: SnapshotsSinceService;
  disconnects: DevDisconnectService;
  registrations: RegisterWorkerService;
  presence: DevPresence;
  directory: Pick<EnvironmentDirectory, "workerVersion">;
  options: Pick<EngineOptions, "devMaxConcurrentRuns">;
  origin: string;
  clock: Clock;
};

/** Binds the services to the routes' shapes. */
export function createDevWorker(deps: DevWorkerDeps): DevWorker {
  return {
    config: (env) => ({
      environmentId: env.id,
      dequeueIntervalWithRun: INTERVAL_WITH_RUN_MS,
      dequeueIntervalWithoutRun: INTERVAL_WITHOUT_RUN_MS,
      // Waiting parents count too, so a small number would deadlock parents and their children.
      maxConcurrentRuns: Math.max(env.maxConcurrency, deps.options.devMaxConcurrentRuns),
      engineUrl: deps.origin,
    }),
    async dequeue(env, body, signal) {
      const version = await pollingVersion(deps, env, body.currentWorker);
      const run = await deps.hub.poll({ region: env.region, target: { kind: "session", env, version }, signal });
      if (!run) return { dequeuedMessages: [] };
      return { dequeuedMessages: [wireDequeuedMessage({ ...run, dequeuedAt: new Date(deps.clock.now()) })] };
    },
    presence: (env, signal) => deps.presence.connect(env.id, signal),
    disconnect: (env, ids) => deps.disconnects.call(env, ids),
    heartbeat: (call) => deps.heartbeats.call(call),
    start: (call) => deps.starts.call(call),
    complete: (call) => deps.completes.call(call),
    latestSnapshot: (call) => deps.latest.call(call),
    snapshotsSince: (call) => deps.since.call(call),
    register: (env, projectRef, body) => deps.registrations.call(env, projectRef, body),
  };
}

async function pollingVersion(deps: DevWorkerDeps, env: EnvironmentView, currentWorker: string): Promise<WorkerVersion> {
  if (env.type !== "DEVELOPMENT") {
    throw new AppError("not_development", 400, `${env.slug} is not a development environment: its runs go to deployed workers.`);
  }
  const id = parseFriendlyId("worker", currentWorker);
  const version = id ? await deps.directory.workerVersion(id) : null;
  if (version && version.envId === env.id) return version;
  const text = `No worker ${currentWorker.slice(0, 80)} is registered in ${env.slug}. Restart "trigger dev" to register it.`;
  throw new AppError("unknown_worker", 404, text, { "x-should-retry": "false" });
}
