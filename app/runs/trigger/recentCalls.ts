/**
 * Answers of recent calls by their request key, for writes that must not be applied twice and leave no row that could
 * tell. It lives in this process: a repeat that reaches another one, or this one after a restart, is applied again.
 */
import type { Clock } from "../../platform/clock";

type Call<T> = { answer: Promise<T>; untilMs: number };

/** The SDK's five tries end within two minutes. */
const REMEMBER_MS = 5 * 60_000;
const MAX_REMEMBERED = 10_000;

export class RecentCalls<T> {
  readonly #calls = new Map<string, Call<T>>();

  constructor(private readonly clock: Clock) {}

  /** Runs `work` unless the key was seen lately; a call that failed is forgotten, so that its retry works. */
  once(key: string | null, work: () => Promise<T>): Promise<T> {
    if (key === null) return work();
    const nowMs = this.clock.now();
    const known = this.#calls.get(key);
    if (known && known.untilMs > nowMs) return known.answer;
    this.#forget(nowMs);
    const answer = work();
    const call: Call<T> = { answer, untilMs: nowMs + REMEMBER_MS };
    this.#calls.set(key, call);
    answer.catch(() => {
      if (this.#calls.get(key) === call) this.#calls.delete(key);
    });
    return answer;
  }

  /** Insertion order is expiry order, so only the front has to be looked at. */
  #forget(nowMs: number): void {
    for (const [key, call] of this.#calls) {
      if (call.untilMs > nowMs && this.#calls.size < MAX_REMEMBERED) return;
      this.#calls.delete(key);
    }
  }
}
