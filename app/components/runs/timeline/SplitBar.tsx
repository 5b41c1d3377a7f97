import { Duration } from "~/components/ui/Time";
import type { SplitView } from "~/presenters/views";
import { formatDuration } from "~/utils/format";

/** Share below which a part would vanish, and above which it would push the others out: numbers are always printed. */
const SMALLEST_SHARE = 2;
const LARGEST_SHARE = 70;

/** How a run's time was spent, in tones and in numbers. */
export function SplitBar({ split, asOf }: { split: SplitView; asOf: number }) {
  const total = Math.max(1, split.totalMs);
  const words = split.parts.map((part) => `${part.label} ${formatDuration(part.ms, 2)}`).join(", ");
  return (
    <>
      <div className="split" role="img" aria-label={words || "Nothing has happened yet"}>
        {split.parts.map((part) => (
          <span
            key={part.tone}
            className={`t-${part.tone}`}
            style={{ flex: Math.min(LARGEST_SHARE, Math.max(SMALLEST_SHARE, (part.ms / total) * 100)) }}
          />
        ))}
      </div>
      <dl className="durs num">
        {split.parts.map((part) => (
          <div key={part.tone}>
            <dt>
              <i className={`sw t-${part.tone}`} />
              {part.label}
            </dt>
            <dd>
              <Duration ms={part.ms} open={part.open} asOf={asOf} digits={2} />
            </dd>
          </div>
        ))}
        <div>
          <dt>Total</dt>
          <dd>
            <Duration ms={split.totalMs} open={split.open} asOf={asOf} digits={2} />
          </dd>
        </div>
      </dl>
    </>
  );
}
