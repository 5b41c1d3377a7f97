/**
 * The durable engine as the workflow sees it: a body that is run again from its beginning after a crash, with the results
 * of finished steps read from a journal. One implementation, over DBOS; the body knows nothing of it.
 */
import type { PoolClient } from "../../../platform/db.server";
import type { Queryable, WorkflowTopic } from "../../ports";

/** What the body may do besides computing. No time, randomness, id or row is read outside of `step`. */
export interface DurableContext {
  readonly id: string;
  /**
   * Runs `work` once and journals its result (small JSON). A failure is tried again, five attempts in all unless told
   * otherwise; a DeployError is final at once, a lost database connection is waited out and not counted. Names are
   * stable: a replay compares them.
   */
  step<T>(name: string, work: () => Promise<T>, options?: { attempts?: number }): Promise<T>;
  /**
   * Resolves with the first answer of `check` that is not null, or with null when the deadline has passed. `check` is asked
   * now, on every signal, and every two seconds; it only reads.
   */
  waitFor<T>(name: string, deadlineMs: number, check: () => Promise<T | null>): Promise<T | null>;
}

export type DurableBody = (context: DurableContext) => Promise<void>;

/** `missing`: no such workflow. `waiting`: not picked up yet, or its process died. `ended`: it ran to its end. */
export type WorkflowState = "missing" | "waiting" | "ended";

/** The engine as it runs in the one process that is the deployer. */
export interface EngineSession {
  /** Ids of the bodies that run in this process now. */
  readonly running: ReadonlySet<string>;
  state(id: string): Promise<WorkflowState>;
  /** Picks a workflow up that no process runs. */
  resume(id: string): Promise<void>;
  /** Forgets workflows that ended before `before`. */
  forget(before: Date): Promise<void>;
  /** Stops where it is: no body gets an answer any more, none sees an error. Resolves when another session may begin. */
  close(): Promise<void>;
}

export interface DurableEngine {
  /**
   * Migrates the engine's tables and connects. Awaited before requests are served: the migrations build indexes concurrently, which
   * waits for every open transaction, so a transaction that waited for them would never end.
   */
  prepare(): Promise<void>;
  /** In the caller's transaction; a second start of the same id does nothing. */
  startOnce(tx: PoolClient, id: string): Promise<void>;
  /** A hint to look again, in the caller's transaction. Does nothing when no such workflow is under way. */
  signal(db: Queryable, id: string, topic: WorkflowTopic): Promise<void>;
  /** `onFenced` is called when a body finds that another process took over. */
  launch(body: DurableBody, onFenced: () => void): Promise<EngineSession>;
}
