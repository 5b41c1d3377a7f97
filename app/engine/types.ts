/** What the engine offers to routes, the runs domain and the dashboard, and what it needs from others. */
import type { Server } from "node:http";
import type { AgentCaller } from "../auth/types";
import type { EnvironmentView } from "../environments/types";
import type { Loop } from "../platform/loop";
import type { ExecutionState, RunStatus } from "../runops/runStates";
import type { EngineCounters } from "./counters";
import type { NewRun } from "../runops/runStore";

/** One committed transition of a run, as every process hears of it. */
export type RunChange = {
  envId: string;
  runId: string;
  seq: number;
  state: ExecutionState;
  status: RunStatus;
  /** True when the worker did not cause the change itself and should fetch the snapshot at once. */
  notify?: boolean;
};

/** Post-commit changes of runs, carried over Redis so that all processes hear all of them. Best effort: readers poll as well. */
export interface RunFeed {
  /** Changes of every run of an environment. Returns the unsubscribe. */
  onEnvironment(envId: string, listener: (change: RunChange) => void): () => void;
  /** Changes of one run. Returns the unsubscribe. */
  onRun(envId: string, runId: string, listener: (change: RunChange) => void): () => void;
  /** Announce committed changes; collected over one tick and never awaited. */
  publish(change: RunChange): void;
}

/** The part of a created run that the engine offers to workers. */
export type TriggeredRun = Pick<NewRun, "id" | "envId" | "queue" | "concurrencyKey" | "region" | "score" | "dueAt" | "initial">;

export type CancelInput = {
  envId: string;
  runId: string;
  /** Shown as the run's error. */
  reason?: string;
  /** Finish a running run at once instead of waiting for its worker's `onCancel` (its worker is known to be gone). */
  immediate?: boolean;
};
/** `pending`: the worker was told and has a minute. `already-final`: nothing changed. */
export type CancelOutcome = { kind: "canceled" | "pending" | "already-final"; status: RunStatus } | { kind: "not-found" };

/** `not-delayed`: only a DELAYED run can be moved. */
export type RescheduleOutcome = { kind: "rescheduled" } | { kind: "not-delayed"; status: RunStatus } | { kind: "not-found" };

/** What is held back in an environment: nothing new starts there, running work goes on. */
export type PauseState = { environment: boolean; queues: string[] };

export interface Engine {
  /**
   * Tell the engine of runs whose insert has committed (`created`, `created-canceled`): offers them to workers, arms their
   * timer, publishes the change. Never throws; a lost call is healed by the re-check within 15 s. Awaiting it is optional.
   */
  afterTrigger(run: TriggeredRun, outcome?: "created" | "created-canceled"): Promise<void>;
  /** Cancel a run of `envId` in whatever state it is, and its children. */
  cancel(input: CancelInput): Promise<CancelOutcome>;
  /** Move the start of a DELAYED run; a date in the past starts it now. */
  reschedule(input: { envId: string; runId: string; startAt: Date }): Promise<RescheduleOutcome>;
  /** What is paused now, as the configuration says. */
  pauseState(envId: string): Promise<PauseState>;
  /** True while a `trigger dev` session holds its presence connection. */
  isDevConnected(envId: string): Promise<boolean>;
  readonly feed: RunFeed;
  /** Limits, pauses or queues of the environment changed: give them to the index; resolves when no earlier claim of this process is open. */
  limitsChanged(envId: string): Promise<void>;
  /** A worker version became current: queue the runs that waited for it, oldest first. Returns how many were released. */
  promotePendingVersions(envId: string): Promise<number>;
  /** A region has no agents: its queued runs that named no region go to others. Returns how many were moved. */
  moveQueuedRuns(move: { from: string; to: readonly string[] }): Promise<number>;
  /** A timer of a run was set outside the engine: wakes the timer loop in time for it. */
  timerSet(dueAt: Date): void;
  /** Handler for runs whose deadline in the index has passed. */
  onOverdue(runIds: readonly string[]): Promise<void>;
  /** The dev worker protocol, one method a route. */
  readonly devWorker: DevWorker;
  /** The protocol of deployed workers, one method a route. */
  readonly workerActions: WorkerActions;
  /** What happened since the process started. */
  counters(): EngineCounters;
  /** The loops, for tests that drive them by `runOnce`. */
  readonly loops: { timers: Loop; cascade: Loop };
  /** Serve `/socket.io/` of this HTTP server. Call once, before `start`. */
  attach(httpServer: Server): void;
  start(): Promise<void>;
  /** Ends held polls, event streams and sockets, so that their connections close; later polls are answered empty. */
  drain(): Promise<void>;
  /** Drains, stops the loops and sends what is collected. */
  stop(): Promise<void>;
}

/** The worker protocol of `trigger dev`; ids arrive as the wire shows them, answers are wire bodies. Errors are AppErrors. */
export interface DevWorker {
  config(env: EnvironmentView): unknown;
  /** Resolves when there is a run, when it was held long enough, or at once when `signal` aborts. */
  dequeue(env: EnvironmentView, body: { currentWorker: string }, signal: AbortSignal): Promise<{ dequeuedMessages: unknown[] }>;
  presence(env: EnvironmentView, signal: AbortSignal): Response;
  disconnect(env: EnvironmentView, runFriendlyIds: readonly string[]): Promise<{ cancelled: number }>;
  heartbeat(call: WorkerCall): Promise<{ ok: true }>;
  start(call: WorkerCall & { replayKey: string | null }): Promise<unknown>;
  complete(call: WorkerCall & { completion: Completion }): Promise<unknown>;
  latestSnapshot(call: Omit<WorkerCall, "snapshotId">): Promise<unknown>;
  snapshotsSince(call: WorkerCall): Promise<unknown>;
  register(env: EnvironmentView, projectRef: string, body: unknown): Promise<unknown>;
}

/** What an agent asks for: how many runs of which size, and how long the answer may be held. */
export type RegionDequeue = { maxRunCount?: number; maxResources?: { cpu: number; memory: number }; waitMs?: number };

/** A call of an agent about one run; a run that its region does not hand out looks like none (404). */
export type AgentCall = { agent: AgentCaller; runId: string; snapshotId: string };

/** The worker protocol of deployed runs; ids arrive as the wire shows them, answers are wire bodies. Errors are AppErrors. */
export interface WorkerActions {
  /** Resolves when there is a run, when it was held long enough (at once without `waitMs`), or when `signal` aborts. */
  dequeue(agent: AgentCaller, body: RegionDequeue, signal: AbortSignal): Promise<unknown[]>;
  start(call: AgentCall & { replayKey: string | null }): Promise<unknown>;
  /** `forceRequeue`: the process is gone, so a retry goes through the queue. */
  complete(call: AgentCall & { completion: Completion; forceRequeue?: boolean }): Promise<unknown>;
  heartbeat(call: AgentCall): Promise<{ ok: true }>;
  /** Where the attempt stands, for a runner that waited; 409 when it is not running. */
  continue(call: AgentCall): Promise<unknown>;
  /** Gives back a run that was handed out and never started; it is queued again after a pause. */
  release(call: AgentCall): Promise<{ ok: true; requeued: boolean }>;
  latestSnapshot(call: Omit<AgentCall, "snapshotId">): Promise<unknown>;
  snapshotsSince(call: AgentCall): Promise<unknown>;
  /** Throws 404 unless the region hands the run out. */
  requireRun(agent: AgentCaller, runId: string): Promise<void>;
}

/** A call about one run: `runId` and `snapshotId` as in the path. */
export type WorkerCall = { env: EnvironmentView; runId: string; snapshotId: string };

/** Error of a task run on the wire, before it is cleaned. */
export type WireError =
  | {
      type: "BUILT_IN_ERROR";
      name: string;
      message: string;
      stackTrace: string;
      causes?: { name?: string; message: string; stackTrace?: string }[];
    }
  | { type: "CUSTOM_ERROR"; raw: string }
  | { type: "STRING_ERROR"; raw: string }
  | { type: "INTERNAL_ERROR"; code: string; message?: string; stackTrace?: string };

export type FlushedMetadata = { data?: string; dataType: string };

/** How an attempt ended, as the worker reports it. */
export type Completion =
  | { ok: true; output?: string; outputType: string; usage?: { durationMs: number }; flushedMetadata?: FlushedMetadata }
  | {
      ok: false;
      error: WireError;
      retry?: { timestamp: number; delay: number };
      skippedRetrying?: boolean;
      usage?: { durationMs: number };
      flushedMetadata?: FlushedMetadata;
    };
