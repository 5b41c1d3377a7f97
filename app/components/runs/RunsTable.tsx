import { Link } from "@remix-run/react";
import { useEffect, useRef, useState } from "react";
import type { RunRow } from "~/presenters/views";
import { Status } from "~/components/ui/Status";
import { Duration, EmptyValue, Time } from "~/components/ui/Time";
import { Words } from "~/components/ui/Words";
import { formatDuration, shortId } from "~/utils/format";

type Props = {
  rows: readonly RunRow[];
  /** Server time of the data, for what counts on and for the day of a time. */
  asOf: number;
  changed: ReadonlySet<string>;
  /** Id of the form that acts on selected rows. */
  formId: string;
  caption: string;
  /** How many rows are selected. */
  selected?: number;
  onSelect?: () => void;
};

const WIDTHS = ["46px", "140px", "146px", "108px", undefined, "136px", "92px", "92px", "102px", "94px"];

/** The runs table. Without JavaScript the boxes still select: they belong to the form of the actions. */
export function RunsTable({ rows, asOf, changed, formId, caption, selected = 0, onSelect }: Props) {
  const scale = barScale(rows);
  return (
    <table className="stack runs">
      <caption>{caption}</caption>
      <colgroup>
        {WIDTHS.map((width, i) => (
          <col key={i} style={width ? { width } : undefined} />
        ))}
      </colgroup>
      <thead>
        <tr>
          <th scope="col">
            <span className="vh">Select</span>
            <SelectAll selected={selected} of={rows.length} onSelect={onSelect} />
          </th>
          <th scope="col">Status</th>
          <th scope="col">Task</th>
          <th scope="col">Run</th>
          <th scope="col">What happened, or why it waits</th>
          <th scope="col">Queue, run (log)</th>
          <th scope="col" className="right">
            Queued
          </th>
          <th scope="col" className="right">
            Ran
          </th>
          <th scope="col">Version</th>
          <th scope="col" className="right">
            Created
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <Row key={row.id} row={row} asOf={asOf} changed={changed.has(row.id)} formId={formId} scale={scale} onSelect={onSelect} />
        ))}
      </tbody>
    </table>
  );
}

/** All rows of the page or none. Its work needs JavaScript, so it appears only once the page is alive. */
function SelectAll({ selected, of, onSelect }: { selected: number; of: number; onSelect?: () => void }) {
  const box = useRef<HTMLInputElement>(null);
  const [alive, setAlive] = useState(false);
  useEffect(() => setAlive(true), []);
  useEffect(() => {
    if (box.current) box.current.indeterminate = selected > 0 && selected < of;
  }, [selected, of, alive]);
  if (!alive) return null;
  const selectAll = (isWanted: boolean) => {
    for (const row of box.current?.closest("table")?.querySelectorAll<HTMLInputElement>("tbody .check") ?? []) row.checked = isWanted;
    onSelect?.();
  };
  return (
    <input
      ref={box}
      type="checkbox"
      className="check"
      aria-label="Select all runs of this page"
      checked={selected > 0 && selected === of}
      onChange={(event) => selectAll(event.currentTarget.checked)}
    />
  );
}

type RowProps = { row: RunRow; asOf: number; changed: boolean; formId: string; scale: (ms: number) => number; onSelect?: () => void };

function Row({ row, asOf, changed, formId, scale, onSelect }: RowProps) {
  return (
    <tr data-status={row.status}>
      <td className="hide-sm">
        <input
          type="checkbox"
          className="check"
          name="run"
          value={row.id}
          form={formId}
          aria-label={`Select ${row.task} ${shortId(row.friendlyId)}`}
          onChange={onSelect}
        />
      </td>
      <td className="m-st">
        <Status status={row.status} changed={changed} />
      </td>
      <td className="m-task name">
        <Link to={row.href} prefetch="intent" data-row-link>
          {row.task}
        </Link>
      </td>
      <td className="mono soft m-id">
        <Link to={row.href} title={row.friendlyId} tabIndex={-1}>
          {shortId(row.friendlyId)}
        </Link>
      </td>
      <td className="full soft" title={textOf(row.note) || undefined}>
        {row.note.length > 0 ? <Words words={row.note} /> : null}
      </td>
      <td className="hide-sm">
        <MiniBar row={row} scale={scale} />
      </td>
      <td className="right num soft hide-sm">
        {row.queuedMs === null ? <EmptyValue /> : <Duration ms={row.queuedMs} open={row.growing === "queue"} asOf={asOf} />}
      </td>
      <td className="right num hide-sm">
        {row.ranMs === null ? <EmptyValue /> : <Duration ms={row.ranMs} open={row.growing === "run"} asOf={asOf} />}
      </td>
      <td className="mono soft hide-sm">{row.version ?? "none"}</td>
      <td className="num muted right m-when">
        <Time ms={row.createdAt} nowMs={asOf} />
      </td>
    </tr>
  );
}

/** The whole of a note that its column may cut. */
function textOf(note: RunRow["note"]): string {
  return note.map((word) => (typeof word === "string" ? word : word.code)).join("");
}

function MiniBar({ row, scale }: { row: RunRow; scale: (ms: number) => number }) {
  const total = row.bar.reduce((sum, part) => sum + part.ms, 0);
  if (total <= 0) return null;
  const title = row.bar.map((part) => `${part.tone === "queue" ? "queued" : "ran"} ${formatDuration(part.ms)}`).join(", ");
  return (
    <span className="mini" style={{ width: `${scale(total)}%` }} title={title}>
      {row.bar.map((part, i) => (
        <span key={i} className={`t-${part.tone}`} style={{ flex: part.ms }} />
      ))}
    </span>
  );
}

const SCALE_FLOOR_MS = 10;
const SHORTEST_PERCENT = 6;

/** One logarithmic scale for the whole column: the longest row fills it. */
export function barScale(rows: readonly Pick<RunRow, "bar">[]): (ms: number) => number {
  const log = (ms: number) => Math.log10(1 + ms / SCALE_FLOOR_MS);
  const longest = Math.max(SCALE_FLOOR_MS, ...rows.map((row) => row.bar.reduce((sum, part) => sum + part.ms, 0)));
  return (ms) => Math.round(Math.max(SHORTEST_PERCENT, (log(ms) / log(longest)) * 100) * 10) / 10;
}
