/** What recovery may do to the index: learn which epoch Redis holds, build a new one, and read what is in it. */
import type { ExecutionState } from "../../runops/runStates";
import type { Lane } from "../../runops/runStore";
import type { LaneRef } from "./queueIndex";

/** `absent`: Redis knows nothing of the epoch. `waiting`: this process knows of it, Redis is not prepared yet. */
export type EpochState = "ready" | "building" | "absent";
export type AdoptedMode = "ready" | "building" | "waiting";

/** A row of the database as the loader writes it; what it does in the index follows from its state. */
export type LoadRow = { id: string; lane: Lane; score: number; seq: number; state: ExecutionState };

/** A slot as it stands. `holder`: `c<claim>` or the seq. */
export type SlotEntry = { envId: string; runId: string; holder: string; lane: LaneRef };

/** A load or begin was refused: another process has begun a newer epoch. */
export class EpochLostError extends Error {
  override readonly name = "EpochLostError";
  constructor(readonly epoch: number) {
    super(`Epoch ${epoch} of the queue index is not being built any more.`);
  }
}

export interface IndexControl {
  /** `run_id` of the Redis server, or null when none is reachable for `timeoutMs`. */
  redisRunId(timeoutMs: number): Promise<string | null>;
  stateOf(epoch: number): Promise<EpochState>;
  /** The epoch that this process works in from now on. `waiting` keeps writes back and takes nothing. */
  adopt(epoch: number, mode: AdoptedMode): void;
  /** Null while Redis is away, or when it has refused the epoch. */
  adopted(): { epoch: number; mode: AdoptedMode } | null;
  /** Calls `listener` when the epoch may be stale or another process tells of a change; returns the unsubscribe. */
  onSuspect(listener: (reason: string) => void): () => void;

  /** Makes every script refuse `epoch` from now on. */
  retire(epoch: number): Promise<void>;
  /** Empties what may be left under the new epoch's name, and lets writers in (not takers). */
  begin(epoch: number): Promise<void>;
  /** Writes rows of the database; `deadlineMs` for those that are overdue at some time. Throws `EpochLostError`. */
  load(epoch: number, rows: readonly LoadRow[], deadlineOf: (state: ExecutionState) => number): Promise<void>;
  /** Lets takers in; the re-check starts at `recheckFromMs`. Throws `EpochLostError`. */
  finish(epoch: number, recheckFromMs: number): Promise<void>;
  /** Tells the other processes to look at the epoch. */
  announce(epoch: number): Promise<void>;
  /** Unlinks what other epochs left behind; stops early when `signal` aborts. */
  unlinkOthers(epoch: number, signal: AbortSignal): Promise<void>;

  /** Every slot; their number is bounded by the limits. */
  slots(): Promise<SlotEntry[]>;
  /** Runs with a deadline entry. */
  beatRuns(): Promise<string[]>;
  /** Which of these runs hold a slot: run id → holder. */
  holders(runs: readonly { runId: string; envId: string }[]): Promise<Map<string, string>>;
  /** Queued runs of every lane, in pages of about 1,000. */
  laneEntries(signal: AbortSignal): AsyncGenerator<{ lane: LaneRef; runIds: string[] }>;
  /** Shared marks of the epoch in epoch milliseconds; null when never set. */
  readMark(name: "recheck" | "sweep"): Promise<number | null>;
  writeMark(name: "recheck" | "sweep", ms: number): Promise<void>;
}
