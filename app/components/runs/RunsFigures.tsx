import type { FiguresView } from "~/presenters/views";
import { formatCount } from "~/utils/format";

/** What runs and waits right now. A figure that could not be read is a dash, the others stay. */
export function RunsFigures({ figures }: { figures: FiguresView }) {
  const failed = figures.failedLastHour;
  return (
    <section className="strip" aria-label="Right now">
      <Figure name="Queued" value={figures.queued} />
      <Figure name="Executing" value={figures.running} note={`of ${formatCount(figures.limit)}`} />
      <Figure name="Delayed" value={figures.delayed?.count ?? null} more={figures.delayed?.more} />
      <Figure name="Failed, last hour" value={failed?.count ?? null} more={failed?.more} />
    </section>
  );
}

function Figure({ name, value, note, more }: { name: string; value: number | null; note?: string; more?: boolean }) {
  return (
    <div className="fig">
      <dl>
        <dt>{name}</dt>
        <dd>
          {value === null ? "–" : `${formatCount(value)}${more ? "+" : ""}`} {note ? <small>{note}</small> : null}
        </dd>
      </dl>
    </div>
  );
}
