/** One process that runs tasks: the run controller of a release, and what the agent knows about it. */
import type { DesiredDeployment } from "../protocol";
import type { DequeuedMessage } from "../server/messages";

export type Machine = DesiredDeployment["machine"];

/** A run that a replica was given. */
export type AssignedRun = {
  runId: string;
  /** Snapshot of the hand-over; the attempt's own once it has started. */
  snapshotId: string;
  environmentId: string;
  /** The process has shown that it took the run. */
  taken: boolean;
  /** An attempt began: user code may have run. */
  started: boolean;
  /** Its end was reported, and answered or spooled. */
  completed: boolean;
  since: number;
  /** For a second try with another process, while it is not taken; not kept over a restart. */
  message: DequeuedMessage | null;
};

/**
 * `starting`: spawned, has not asked for work. `idle`: asks for work. `busy`: has a run.
 * `draining` is beside these: it ends as soon as it has no run.
 */
export type ReplicaPhase = "starting" | "idle" | "busy" | "gone";

export type Replica = {
  /** Public name: reports, logs, marker. */
  readonly name: string;
  /** 128 random bits: what the process presents on every call. */
  readonly secret: string;
  readonly version: DesiredDeployment;
  readonly machine: Machine;
  readonly releaseKey: string;
  pid: number;
  startTime: string;
  phase: ReplicaPhase;
  /** Kept as long as the version wants it. Others were started for one run and go after a while without work. */
  resident: boolean;
  draining: boolean;
  run: AssignedRun | null;
  restarts: number;
  startedAt: number;
  idleSince: number;
};

/** False between the end of a run and the next poll too. */
export function hasWork(replica: Replica): boolean {
  return replica.run !== null && !replica.run.completed;
}

/** `starting` replicas without a run are not healthy yet; everything else that lives is. */
export function isHealthy(replica: Replica): boolean {
  return replica.phase === "idle" || replica.phase === "busy";
}
