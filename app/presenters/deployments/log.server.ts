/** Lines of a deployment's log: the tails for its page, ranges for whoever asks for more, all of it as a file. */
import { z } from "zod";
import { STEPS, type Step } from "../../deployments/phases";
import type { Queryable } from "../../deployments/ports";
import { loadScript } from "../../platform/scripts.server";
import { plainText } from "../../utils/ansi";
import { STEP_TITLES } from "../../utils/deploymentWords";
import type { DeploymentLogLine, LogView } from "./views";

const TAILS_SQL = loadScript("presenters/deployments/sql/log-tails.sql");
const RANGE_SQL = loadScript("presenters/deployments/sql/log-range.sql");

/** Lines of each phase that come with the page: of a record, and of one that is read again twice a second. */
export const RECORD_LINES = 500;
export const LIVE_LINES = 150;
/** Most lines of one answer; a longer log is asked for in parts. */
export const RANGE_LINES = 5_000;
/** Longer lines are cut on the page; the file has them in full. */
const LONGEST_LINE = 4_000;

const levels = z.enum(["debug", "info", "warn", "error"]);
const tailLine = z.object({ seq: z.number(), at: z.coerce.date(), level: levels, text: z.string() });
const tailRow = z.object({
  step: z.enum(STEPS).nullable(),
  ...{ total: z.number(), warnings: z.number(), errors: z.number(), firstSeq: z.number() },
  lines: z.array(tailLine),
});

/** By phase. Lines from before the first phase stand at the head of Queued. */
export async function readLogTails(db: Queryable, deploymentId: string, lines: number): Promise<Map<Step, LogView>> {
  const { rows } = await db.query(TAILS_SQL, [deploymentId, lines, LONGEST_LINE]);
  const logs = new Map<Step, LogView>();
  for (const row of z.array(tailRow).parse(rows)) {
    const step = row.step ?? "queued";
    const shown = row.lines.map((line) => ({ ...line, at: line.at.getTime() }));
    const other = logs.get(step);
    logs.set(step, other ? merged(other, { ...row, step, lines: shown }) : { ...row, step, lines: shown });
  }
  return logs;
}

function merged(a: LogView, b: LogView): LogView {
  return {
    step: a.step,
    total: a.total + b.total,
    warnings: a.warnings + b.warnings,
    errors: a.errors + b.errors,
    firstSeq: Math.min(a.firstSeq, b.firstSeq),
    lines: [...a.lines, ...b.lines].sort((x, y) => x.seq - y.seq),
  };
}

type RangeRow = { seq: number; at: Date; step: Step | null; level: DeploymentLogLine["level"]; body: string };
export type LogRange = { step: Step | null; after: number; before: number | null };

/** Oldest first, at most `RANGE_LINES`. */
export async function readLogRange(db: Queryable, deploymentId: string, range: LogRange): Promise<DeploymentLogLine[]> {
  const { rows } = await db.query<RangeRow>(RANGE_SQL, [deploymentId, range.step, range.after, range.before, RANGE_LINES]);
  return rows.map((row) => ({ seq: row.seq, at: row.at.getTime(), level: row.level, text: row.body.slice(0, LONGEST_LINE) }));
}

/** The whole log as text, one part at a time: `12  2026-11-21T14:30:41.120Z  Building  info  text`. */
export async function* logText(db: Queryable, deploymentId: string, step: Step | null): AsyncGenerator<string> {
  let after = 0;
  for (;;) {
    const { rows } = await db.query<RangeRow>(RANGE_SQL, [deploymentId, step, after, null, RANGE_LINES]);
    if (rows.length > 0) yield rows.map(textLine).join("");
    const last = rows.at(-1);
    if (!last || rows.length < RANGE_LINES) return;
    after = last.seq;
  }
}

function textLine(row: RangeRow): string {
  const step = row.step ? STEP_TITLES[row.step] : "";
  const text = row.body.split("\n").map(plainText).join("\n");
  return `${String(row.seq).padStart(6)}  ${row.at.toISOString()}  ${step.padEnd(10)}  ${row.level.padEnd(5)}  ${text}\n`;
}
