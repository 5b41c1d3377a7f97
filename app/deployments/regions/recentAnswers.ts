/** Answers that are trusted for a short while. Only found ones are kept: what has just come to be is seen at once. */
import type { Clock } from "../../platform/clock";

const MAX_KEPT = 5_000;

export class RecentAnswers<T> {
  private readonly kept = new Map<string, { answer: T; until: number }>();

  constructor(
    private readonly clock: Pick<Clock, "now">,
    private readonly trustMs: number
  ) {}

  /** The kept answer, or what `ask` finds. */
  async get(key: string, ask: () => Promise<T | null>): Promise<T | null> {
    const now = this.clock.now();
    const kept = this.kept.get(key);
    if (kept && now < kept.until) return kept.answer;
    const answer = await ask();
    this.kept.delete(key);
    if (answer === null) return null;
    if (this.kept.size >= MAX_KEPT) this.kept.clear();
    this.kept.set(key, { answer, until: now + this.trustMs });
    return answer;
  }
}
