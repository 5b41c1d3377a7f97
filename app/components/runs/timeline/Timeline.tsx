import { Link } from "@remix-run/react";
import { List } from "lucide-react";
import type { CSSProperties } from "react";
import { GradeIcon } from "~/components/ui/GradeIcon";
import { Duration, Time } from "~/components/ui/Time";
import type { TimelineRow, TimelineView } from "~/presenters/views";
import { plural } from "~/utils/format";

type Props = { view: TimelineView; asOf: number; selected: string | null; foldedHref: string; trueHref: string };

/** Attempts, spans and logs on one time axis. Long idle stretches are folded; "True scale" unfolds them. */
export function Timeline({ view, asOf, selected, foldedHref, trueHref }: Props) {
  return (
    <section className="panel" aria-label="Timeline">
      <header>
        <h2 className="grow">Timeline</h2>
        <Legend />
        {view.foldable ? (
          <span className="seg hide-sm">
            <Link to={foldedHref} preventScrollReset aria-current={view.folded ? "true" : undefined}>
              Gaps folded
            </Link>
            <Link to={trueHref} preventScrollReset aria-current={view.folded ? undefined : "true"}>
              True scale
            </Link>
          </span>
        ) : null}
      </header>
      <div className="tl">
        <GridLines view={view} />
        <AxisRow view={view} />
        <ol>
          {view.rows.map((row) => (
            <li key={row.id}>
              <Row row={row} asOf={asOf} selected={row.id === selected} />
            </li>
          ))}
        </ol>
      </div>
    </section>
  );
}

function Legend() {
  return (
    <span className="legend hide-sm" aria-hidden="true">
      <span>
        <i className="sw t-queue" />
        Queued
      </span>
      <span>
        <i className="sw t-run" />
        Executing
      </span>
      <span>
        <i className="sw t-wait" />
        Waiting
      </span>
      <span>
        <i className="sw t-fail" />
        Failed
      </span>
    </span>
  );
}

function GridLines({ view }: { view: TimelineView }) {
  return (
    <div className="grid-lines" aria-hidden="true">
      {view.ticks.slice(1).map((tick) => ("plus" in tick.label ? <i key={tick.left} style={{ left: `${tick.left}%` }} /> : null))}
      {view.folds.map((fold) => (
        <u key={fold.left} style={{ left: `${fold.left}%`, width: `${fold.width}%` }} />
      ))}
    </div>
  );
}

function AxisRow({ view }: { view: TimelineView }) {
  return (
    <div className="tlr axis">
      <span className="nm">
        <List className="i s" aria-hidden="true" />
        {plural(view.spans, "span")}, {plural(view.logs, "log")}
      </span>
      <span className="trk" aria-hidden="true">
        {view.ticks.map((tick) => (
          <b key={tick.left} style={{ left: `${tick.left}%` }}>
            {"plus" in tick.label ? tick.label.plus : <Time ms={tick.label.at} />}
          </b>
        ))}
        {view.folds.map((fold) => (
          <span key={fold.left} className="gap" style={{ left: `${fold.left}%`, width: `${fold.width}%` }}>
            {fold.label}
          </span>
        ))}
      </span>
      <span className="du">Duration</span>
    </div>
  );
}

function Row({ row, asOf, selected }: { row: TimelineRow; asOf: number; selected: boolean }) {
  const className = selected ? "tlr sel" : "tlr";
  const style = { "--d": row.depth } as CSSProperties;
  const inside = <RowInside row={row} asOf={asOf} />;
  if (!row.href) {
    return (
      <div className={className} style={style}>
        {inside}
      </div>
    );
  }
  return (
    <Link className={className} style={style} to={row.href} preventScrollReset aria-current={selected ? "true" : undefined}>
      {inside}
    </Link>
  );
}

function RowInside({ row, asOf }: { row: TimelineRow; asOf: number }) {
  return (
    <>
      <span className={`nm c-${row.icon === "log" ? "idle" : row.icon}`}>
        <GradeIcon grade={row.icon} small />
        <span className="cut" title={row.name}>
          {row.strong ? <b>{row.name}</b> : row.name}
          {row.note ? <span className="muted"> · {row.note}</span> : null}
        </span>
      </span>
      <span className="trk">
        {row.bars.map((bar, i) => (
          <i key={i} className={`t-${bar.tone}`} style={{ left: `${bar.left}%`, width: `calc(${bar.width}% - 1px)` }} title={bar.title} />
        ))}
        {row.point === null ? null : <i className="point" style={{ left: `${row.point}%` }} />}
      </span>
      <span className="du">{row.durationMs === null ? "" : <Duration ms={row.durationMs} open={row.open} asOf={asOf} digits={2} />}</span>
    </>
  );
}
