/** How a run moves: dequeue, attempts, timers, stalls, cancel, and the protocol of dev workers. */
import { CancelCascade } from "./cancel/cancelCascade.server";
import { CancelRunService } from "./cancel/cancelRun.server";
import { CompleteAttemptService } from "./attempts/completeAttempt.server";
import { CompletionMetadata } from "./attempts/completionMetadata.server";
import { ContinueRunService } from "./workers/continueRun.server";
import { Counters } from "./counters";
import type { EngineDeps } from "./deps";
import { DequeueHub } from "./dequeue/dequeueHub.server";
import { DevDisconnectService } from "./cancel/devDisconnect.server";
import { createDevWorker } from "./workers/devWorker.server";
import { DEFAULT_ENGINE_OPTIONS, type EngineOptions } from "./env";
import { EpochGuard } from "./queueIndex/epochGuard.server";
import { FailedAttempts } from "./attempts/failedAttempts.server";
import { FireTimerService } from "./timers/fireTimer.server";
import { followChanges } from "./followChanges.server";
import { HandOverService } from "./dequeue/handOver.server";
import { Heartbeats } from "./attempts/heartbeats.server";
import { IndexWriter } from "./queueIndex/indexWriter.server";
import { LatestSnapshotService } from "./attempts/latestSnapshot.server";
import { LimitsChangedService } from "./limits.server";
import { MoveQueuedRunsService } from "./versions/moveQueuedRuns.server";
import { Notifications } from "./notifications.server";
import { PromotePendingVersionsService } from "./versions/pendingVersions.server";
import { DevPresence } from "./workers/presence.server";
import { RegisterWorkerService } from "./workers/registerWorker.server";
import { RescheduleService } from "./timers/reschedule.server";
import { RunEnds } from "./attempts/runEnds.server";
import { RedisRunFeed } from "./runFeed.server";
import { RunHeaders } from "./dequeue/runHeaders.server";
import { RunPlaces } from "./dequeue/runPlaces.server";
import { SnapshotsSinceService } from "./attempts/snapshotsSince.server";
import { StallService } from "./timers/stalls.server";
import { StartAttemptService } from "./attempts/startAttempt.server";
import { Timers } from "./timers/timers.server";
import { triggered } from "./triggered";
import type { CancelInput, CancelOutcome, Engine } from "./types";
import { VersionFit } from "./versions/versionFit.server";
import { createWorkerActions } from "./workers/workerActions.server";
import { errorMessage } from "../platform/logger";

export type { EngineDeps } from "./deps";
export type {
  CancelInput,
  CancelOutcome,
  AgentCall,
  DevWorker,
  Engine,
  PauseState,
  RescheduleOutcome,
  RunChange,
  RunFeed,
  RegionDequeue,
  TriggeredRun,
  WorkerActions,
} from "./types";
export { limitsSource } from "./limits.server";

/** Parts that several services share. */
function createCore(deps: EngineDeps, options: EngineOptions) {
  const { store, index, directory, clock, log } = deps;
  const feed = new RedisRunFeed(deps.redis, deps.subscriber, log);
  const counters = new Counters();
  const headers = new RunHeaders(store);
  const epochs = new EpochGuard(store, index);
  const writer = new IndexWriter(index);
  const cancel = (input: CancelInput): Promise<CancelOutcome> => cancels.call(input);
  const cascade = new CancelCascade({ store, cancel, log });
  const onCanceled = (envId: string, runId: string) => cascade.begin(envId, runId);
  const ends = new RunEnds({ store, epochs, index: writer, feed, counters, onCanceled });
  const fire = new FireTimerService({ store, ends, index: writer, feed, clock });
  const timers = new Timers({ store, fire, clock, log });
  const onTimer = (dueAt: Date) => timers.set(dueAt);
  const timeoutMs = options.cancelTimeoutMs;
  const cancels = new CancelRunService({ store, ends, epochs, index: writer, directory, feed, clock, timeoutMs, onTimer, onCanceled });
  const fit = new VersionFit(deps.deployed);
  const pending = new PromotePendingVersionsService({
    store,
    directory,
    deployed: deps.deployed,
    fit,
    index: writer,
    feed,
    clock,
    onTimer,
  });
  const limits = new LimitsChangedService(directory, index);
  return { ...deps, options, feed, counters, headers, epochs, writer, cascade, ends, timers, onTimer, cancel, fit, pending, limits };
}

type Core = ReturnType<typeof createCore>;

/** The services of attempts: hand over, start, beat, complete, stall. */
function createAttempts(core: Core) {
  const { store, writer: index, directory, feed, counters, clock, log, epochs, ends, headers, onTimer, options } = core;
  const random = core.random ?? Math.random;
  const heartbeatTimeoutMs = options.heartbeatTimeoutMs;
  const heartbeats = new Heartbeats({ store, headers, index, clock, timeoutMs: heartbeatTimeoutMs });
  const failures = new FailedAttempts({ store, epochs, index, directory, feed, counters, clock, random, heartbeatTimeoutMs, onTimer });
  const metadata = new CompletionMetadata(store, log);
  const onParked = (envId: string) => {
    core.pending.call(envId).catch((error: unknown) => log.warn("pending_version.failed", { envId, message: errorMessage(error) }));
  };
  const now = () => clock.now();
  const startTimeoutMs = options.startTimeoutMs;
  const onArchived = (envId: string, runId: string) => {
    core.cancel({ envId, runId, reason: "The environment was archived.", immediate: true }).catch((error: unknown) => {
      log.warn("archived_run.cancel_failed", { envId, runId, message: errorMessage(error) });
    });
  };
  const handOver = new HandOverService({
    ...{ store, epochs, index, headers, directory, feed, now, startTimeoutMs, onParked, onArchived },
    fit: core.fit,
  });
  const { origin, otlpEndpoint } = core;
  return {
    heartbeats,
    hub: new DequeueHub({ index: core.index, handOver, log, counters, now, holdMs: options.dequeueHoldMs }),
    starts: new StartAttemptService({ store, ends, headers, heartbeats, directory, feed, counters, origin, otlpEndpoint }),
    completes: new CompleteAttemptService({ store, ends, failures, headers, heartbeats, metadata, counters, clock }),
    stalls: new StallService({
      ...{ store, ends, failures, epochs, headers, index, directory, feed, counters, clock, log, options, onTimer },
      deadlines: core.index,
    }),
  };
}

/** Builds the engine; nothing runs before `start`. Lifecycles of the store, the index and the connections stay with the caller. */
export function createEngine(deps: EngineDeps): Engine {
  const options: EngineOptions = { ...DEFAULT_ENGINE_OPTIONS, ...deps.options };
  const core = createCore(deps, options);
  const attempts = createAttempts(core);
  const { store, directory, origin, clock, cancel, pending, limits, workers, feed, timers, cascade, writer: index } = core;
  const presence = new DevPresence(deps.redis, deps.log);
  const places = new RunPlaces(store);
  const notifications = new Notifications({ auth: deps.auth, agents: deps.agents, places, feed, changes: deps.changes, log: deps.log });
  const registrations = new RegisterWorkerService({ workers, directory, hub: attempts.hub, pending, limits });
  const reschedules = new RescheduleService({ store, feed, clock, onTimer: core.onTimer });
  const latest = new LatestSnapshotService(store, core.headers);
  const since = new SnapshotsSinceService(store);
  const disconnects = new DevDisconnectService(cancel);
  const continues = new ContinueRunService(store);
  const moves = new MoveQueuedRunsService({ store, directory, deployed: deps.deployed, index, feed });
  let unfollow: (() => void) | undefined;
  const drain = async () => {
    attempts.hub.stop();
    presence.stop();
    await notifications.stop();
  };
  return {
    afterTrigger: (run, outcome) => triggered({ index, feed, onTimer: core.onTimer }, run, outcome ?? "created"),
    cancel,
    reschedule: (input) => reschedules.call(input),
    pauseState: (envId) => limits.pauses(envId),
    isDevConnected: (envId) => presence.isConnected(envId),
    feed,
    limitsChanged: (envId) => limits.call(envId, true),
    promotePendingVersions: (envId) => pending.call(envId),
    moveQueuedRuns: (move) => moves.call(move),
    timerSet: core.onTimer,
    onOverdue: (runIds) => attempts.stalls.call(runIds),
    devWorker: createDevWorker({ ...attempts, latest, since, disconnects, registrations, presence, directory, options, origin, clock }),
    workerActions: createWorkerActions({ ...attempts, places, latest, since, continues, directory, clock }),
    counters: () => core.counters.read(),
    loops: { timers: timers.loop, cascade: cascade.loop },
    attach: (httpServer) => notifications.attach(httpServer),
    start() {
      attempts.hub.start();
      timers.loop.start();
      cascade.loop.start();
      unfollow ??= followChanges({ ...core, hub: attempts.hub });
      return Promise.resolve();
    },
    drain,
    async stop() {
      unfollow?.();
      unfollow = undefined;
      await drain();
      await Promise.all([timers.stop(), cascade.loop.stop(), attempts.heartbeats.flush()]);
      await cascade.settled();
    },
  };
}
