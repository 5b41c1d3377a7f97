/**
 * Which of the two request-replay tables is written now. They take turns of ten minutes; the one whose turn is over is
 * truncated in the middle of the other's, so that clocks a few minutes apart never lose a fresh entry.
 */
const TURN_MS = 600_000;
/** After a change of turn both tables are written, the old one first, so that a repeat racing across the change is met. */
const HANDOVER_MS = 30_000;
const TRUNCATE_AFTER_MS = TURN_MS / 2;

/** As the trigger statements take it. */
export const REPLAY_MODES = { a: 1, aThenB: 2, b: 3, bThenA: 4 } as const;
export type ReplayMode = (typeof REPLAY_MODES)[keyof typeof REPLAY_MODES];

/** How request hashes are recorded at `nowMs`. */
export function replayMode(nowMs: number): ReplayMode {
  const turnIsA = Math.floor(nowMs / TURN_MS) % 2 === 0;
  const handover = nowMs % TURN_MS < HANDOVER_MS;
  if (turnIsA) return handover ? REPLAY_MODES.bThenA : REPLAY_MODES.a;
  return handover ? REPLAY_MODES.aThenB : REPLAY_MODES.b;
}

/** The table to truncate at `nowMs`, or null in the first half of a turn. */
export function tableToTruncate(nowMs: number): "request_replay_a" | "request_replay_b" | null {
  if (nowMs % TURN_MS < TRUNCATE_AFTER_MS) return null;
  return Math.floor(nowMs / TURN_MS) % 2 === 0 ? "request_replay_b" : "request_replay_a";
}
