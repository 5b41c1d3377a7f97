import { memo } from "react";
import { useTimeZone } from "~/hooks/timeZone";
import { ansiSpans } from "~/utils/ansi";
import type { DeploymentLogLine } from "~/presenters/deployments/views";
import { clockTime } from "~/utils/format";

/** One row on the screen: a line of the log, or a further line of a text with breaks (`first` is false). */
export type LogRow = { line: DeploymentLogLine; text: string; first: boolean };

const LOOK: Record<DeploymentLogLine["level"], string> = { debug: "d", info: "", warn: "w", error: "e" };

/** Texts with line breaks take a row for each. */
export function logRows(lines: readonly DeploymentLogLine[]): LogRow[] {
  return lines.flatMap((line) => line.text.split("\n").map((text, i) => ({ line, text, first: i === 0 })));
}

type Props = { rows: readonly LogRow[]; label: string; marked: number | null; padTop?: number; padBottom?: number };

/** The rows with their numbers as links. `marked`: the line to look at first. Padding stands for rows that are not drawn. */
export function LogLines({ rows, label, marked, padTop = 0, padBottom = 0 }: Props) {
  return (
    <ol aria-label={label} style={padTop + padBottom > 0 ? { paddingTop: padTop + 4, paddingBottom: padBottom + 4 } : undefined}>
      {rows.map((row, i) => (
        <Line key={`${row.line.seq}.${row.first ? 0 : i}`} row={row} marked={row.line.seq === marked && row.first} />
      ))}
    </ol>
  );
}

const Line = memo(function Line({ row, marked }: { row: LogRow; marked: boolean }) {
  const { line, first } = row;
  const zone = useTimeZone();
  const look = [LOOK[line.level], marked ? "at" : ""].filter(Boolean).join(" ") || undefined;
  return (
    <li className={look} id={first ? `L${line.seq}` : undefined}>
      {first ? (
        <a href={`#L${line.seq}`} aria-label={`Line ${line.seq}`}>
          {line.seq}
        </a>
      ) : (
        <span />
      )}
      {first ? (
        <time dateTime={new Date(line.at).toISOString()} suppressHydrationWarning>
          {clockTime(line.at, zone, true)}
        </time>
      ) : (
        <time />
      )}
      <span>
        {ansiSpans(row.text).map((span, i) => {
          const text = span.bold ? <b>{span.text}</b> : span.text;
          return (
            <i key={i} className={span.family ? `c-${span.family}` : undefined} style={span.family ? undefined : { color: "inherit" }}>
              {text}
            </i>
          );
        })}
      </span>
    </li>
  );
});
