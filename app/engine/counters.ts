/** Counts of what the engine did since the process started; a closed set of names, so that they can be exposed as they are. */
export type EngineCounters = Readonly<Record<EngineCounter, number>>;

export type EngineCounter =
  | "polls"
  | "handed_out"
  | "hand_over_undone"
  | "starts"
  | "start_replays"
  | "start_refusals"
  | "completions"
  | "runs_ended"
  | "retries_immediate"
  | "retries_queued"
  | "stalls"
  | "not_started";

const ZERO: Record<EngineCounter, number> = {
  polls: 0,
  handed_out: 0,
  hand_over_undone: 0,
  starts: 0,
  start_replays: 0,
  start_refusals: 0,
  completions: 0,
  runs_ended: 0,
  retries_immediate: 0,
  retries_queued: 0,
  stalls: 0,
  not_started: 0,
};

export class Counters {
  private readonly counts = { ...ZERO };

  count(name: EngineCounter): void {
    this.counts[name]++;
  }

  /** A copy. */
  read(): EngineCounters {
    return { ...this.counts };
  }
}
