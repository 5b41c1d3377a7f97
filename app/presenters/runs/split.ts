/** How a run's time was spent, summed by tone. Pure. */
import type { SplitView, Stretch, Tone } from "../views";

const ORDER: readonly Tone[] = ["buffered", "queue", "run", "fail", "wait"];
const LABELS: Record<Tone, string> = { buffered: "Buffered", queue: "Queued", run: "Executing", fail: "Failed", wait: "Waiting" };

/** Parts in a fixed order, those without time left out; the last stretch counts on while the run lives. */
export function splitOf(stretches: readonly Stretch[], createdAt: number, endedAt: number | null, nowMs: number): SplitView {
  const end = endedAt ?? nowMs;
  const parts = ORDER.map((tone) => {
    const own = stretches.filter((stretch) => stretch.tone === tone);
    const ms = own.reduce((sum, stretch) => sum + Math.max(0, (stretch.to ?? end) - stretch.from), 0);
    return { tone, label: LABELS[tone], ms, open: endedAt === null && own.some((stretch) => stretch.to === null) };
  });
  return { parts: parts.filter((part) => part.ms > 0 || part.open), totalMs: Math.max(0, end - createdAt), open: endedAt === null };
}
