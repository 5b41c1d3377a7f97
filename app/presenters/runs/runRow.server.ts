/** One run as a line of the table. */
import { isFinal } from "../../runops/runStates";
import type { RunListItem } from "../../runops/runStore";
import { formatSeconds } from "../../utils/format";
import { friendlyId } from "../../utils/ids";
import { reasonFor, statusOf, storedErrorLine, type Surroundings } from "../facts.server";
import type { RunRow, Words } from "../views";

export type RowContext = {
  /** Path of the list; a run is below it. */
  path: string;
  nowMs: number;
  timeZone: string;
  around: Surroundings;
  versionName: (id: string) => string | null;
};

type Times = Pick<RunRow, "queuedMs" | "ranMs" | "growing">;

/** Builds the line; says what happened for a finished run and why it waits for a live one. */
export function toRunRow(run: RunListItem, context: RowContext): RunRow {
  const { header } = run;
  const status = statusOf(run);
  const final = isFinal(run.status);
  const times = timesOf(run, context.nowMs, final);
  return {
    id: header.id,
    friendlyId: friendlyId("run", header.id),
    href: `${context.path}/${friendlyId("run", header.id)}`,
    status,
    final,
    task: header.task,
    note: final ? outcomeNote(run) : liveNote(run, context),
    ...times,
    bar: barOf(run, times),
    version: run.versionId === null ? null : context.versionName(run.versionId),
    createdAt: header.createdAt.getTime(),
    tags: header.tags,
  };
}

/** Queued: from being queued to the first attempt. Ran: from there to the end, or to now. */
function timesOf(run: RunListItem, nowMs: number, final: boolean): Times {
  if (run.status === "DELAYED") return { queuedMs: null, ranMs: null, growing: null };
  const until = final ? (run.completedAt ?? run.updatedAt).getTime() : nowMs;
  const queuedAt = (run.queuedAt ?? run.header.createdAt).getTime();
  if (!run.executedAt) return { queuedMs: Math.max(0, until - queuedAt), ranMs: null, growing: final ? null : "queue" };
  const began = run.executedAt.getTime();
  return { queuedMs: Math.max(0, began - queuedAt), ranMs: Math.max(0, until - began), growing: final ? null : "run" };
}

const FAILED = new Set(["COMPLETED_WITH_ERRORS", "CRASHED", "SYSTEM_FAILURE", "TIMED_OUT"]);

function barOf(run: RunListItem, times: Times): RunRow["bar"] {
  const bar: RunRow["bar"] = [];
  if (times.queuedMs) bar.push({ tone: "queue", ms: times.queuedMs });
  if (times.ranMs !== null) bar.push({ tone: FAILED.has(run.status) ? "fail" : "run", ms: Math.max(1, times.ranMs) });
  return bar;
}

function outcomeNote(run: RunListItem): Words {
  if (run.status === "COMPLETED_SUCCESSFULLY") return [];
  if (run.status === "EXPIRED") return [expiredText(run)];
  const line = storedErrorLine(run.error);
  return line ? [line] : [];
}

/** Also for the run page. */
export function expiredText(run: Pick<RunListItem, "header">): string {
  const ttl = run.header.options.ttlSeconds;
  return ttl ? `Not started within its TTL of ${formatSeconds(ttl)}` : "Not started in time";
}

function liveNote(run: RunListItem, context: RowContext): Words {
  const reason = reasonFor({ ...run, lastErrorText: storedErrorLine(run.error) }, context.around, context);
  if (reason) return reason.short;
  const most = run.header.options.maxAttempts;
  if (run.attempt < 2) return [];
  return [most ? `Attempt ${run.attempt} of ${most}` : `Attempt ${run.attempt}`];
}
