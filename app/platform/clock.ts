/** Time as an input: domain code asks a clock, so tests move time instead of sleeping. */
export type Clock = { now(): number };

/** Epoch milliseconds of this machine. */
export const systemClock: Clock = { now: () => Date.now() };

/** A clock that stands still until a test moves it. */
export function manualClock(startMs: number): Clock & { advance(ms: number): void } {
  let nowMs = startMs;
  return {
    now: () => nowMs,
    advance(ms) {
      nowMs += ms;
    },
  };
}
