/** Finishing runs: the live row becomes a result row, one statement a group. */
import type { Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { idMillis } from "../../utils/ids";
import type { GroupContext } from "../batcher";
import { booleanColumn, bytesColumn, numberColumn, textColumn, timeColumn } from "../columns";
import { historyRecord } from "../history";
import { RUN_STATUSES } from "../runStates";
import type { FinishOutcome, FinishRequest, LiveRun, RunResult } from "../runStore";
import { finalStatus, toLiveRun, toResult, type LiveRow, type ResultRow } from "./rows";
import { requireStorableId } from "./trigger.server";

const FINISH = { name: "finish", text: loadScript("runops/sql/finish.sql") };
const READ_RESULTS = { name: "read-results", text: loadScript("runops/sql/reads/read-results.sql") };
const READ_LIVE = { name: "read-live", text: loadScript("runops/sql/reads/read-live.sql") };

/** The rest of a row in a group, roughly. */
const ROW_BYTES = 400;

/** Bytes that a completion adds to a group. */
export function finishSize(request: FinishRequest): number {
  return ROW_BYTES + (request.output?.length ?? 0) + (request.error?.length ?? 0) + (request.metadata?.text.length ?? 0);
}

type FinishedRow = LiveRow & { final_status: number; held_epoch: number | null };
type Current = { live: LiveRun; metadataVersion: number };

/** Finishes one group of runs. */
export async function runFinishGroup(
  deps: { pool: Pool },
  group: readonly FinishRequest[],
  context: GroupContext
): Promise<FinishOutcome[]> {
  const rows = [...group].sort((a, b) => (a.runId < b.runId ? -1 : 1));
  const { rows: answers } = await deps.pool.query<FinishedRow | { id: null; held_epoch: number | null }>({
    ...FINISH,
    values: [...finishColumns(rows, context.nowMs), new Date(context.nowMs).toISOString()],
  });
  const held = answers[0]?.held_epoch ?? null;
  const outcomes = new Map<string, FinishOutcome>();
  for (const row of answers) {
    if (row.id === null) continue;
    outcomes.set(row.id, { kind: "finished", live: toLiveRun(row), status: finalStatus(row.final_status), finalSeq: row.seq + 1 });
  }
  if (outcomes.size < group.length)
    await judgeMissed(
      deps.pool,
      group.filter((request) => !outcomes.has(request.runId)),
      held,
      outcomes
    );
  return group.map((request) => outcomes.get(request.runId) ?? { kind: "refused", current: null, result: null });
}

async function judgeMissed(
  pool: Pool,
  missed: readonly FinishRequest[],
  held: number | null,
  outcomes: Map<string, FinishOutcome>
): Promise<void> {
  const ids = missed.map((request) => request.runId);
  const live = new Map<string, Current>();
  const { rows } = await pool.query<LiveRow & { metadata_version: number }>({ ...READ_LIVE, values: [ids] });
  for (const row of rows) live.set(row.id, { live: toLiveRun(row), metadataVersion: row.metadata_version });
  // Read after the live rows: a run that became final between the two reads is found here.
  const results = await readResults(pool, ids);
  for (const request of missed) outcomes.set(request.runId, judge(request, held, live.get(request.runId), results.get(request.runId)));
}

/** Why a completion changed nothing. */
function judge(request: FinishRequest, held: number | null, current: Current | undefined, result: RunResult | undefined): FinishOutcome {
  if (result) return isRepeat(request, result) ? { kind: "replayed", result } : { kind: "refused", current: null, result };
  if (!current) return { kind: "refused", current: null, result: null };
  const fence = judgeGuard(request, current.live);
  if (fence) return fence;
  if (request.epoch !== held) return { kind: "stale-epoch" };
  if (request.metadata && request.metadata.expectVersion !== current.metadataVersion) return { kind: "metadata-conflict" };
  return { kind: "refused", current: current.live, result: null };
}

/** The outcome when the quoted or exact seq does not fit the live row, else null. */
function judgeGuard({ guard }: FinishRequest, live: LiveRun): FinishOutcome | null {
  const refused: FinishOutcome = { kind: "refused", current: live, result: null };
  if ("seq" in guard) return guard.seq === live.seq ? null : refused;
  const inAttempt = live.attemptSeq !== null && guard.quoted >= live.attemptSeq;
  if (live.attemptClosed && inAttempt && guard.quoted < live.seq) return { kind: "attempt-closed", current: live };
  return inAttempt && guard.quoted <= live.seq ? null : refused;
}

function isRepeat(request: FinishRequest, result: RunResult): boolean {
  if ("seq" in request.guard) return result.finalSeq === request.guard.seq + 1 && result.status === request.status;
  return result.attemptSeq !== null && request.guard.quoted >= result.attemptSeq && request.guard.quoted < result.finalSeq;
}

function finishColumns(rows: readonly FinishRequest[], nowMs: number): unknown[] {
  return [
    textColumn(rows, (row) => row.runId),
    numberColumn(rows, (row) => row.epoch),
    numberColumn(rows, ({ guard }) => ("quoted" in guard ? guard.quoted : null)),
    numberColumn(rows, ({ guard }) => ("seq" in guard ? guard.seq : null)),
    numberColumn(rows, (row) => RUN_STATUSES[row.status]),
    textColumn(rows, (row) => row.output),
    textColumn(rows, (row) => row.outputType),
    textColumn(rows, (row) => row.error),
    numberColumn(rows, (row) => Math.max(0, Math.round(row.usageMs))),
    numberColumn(rows, (row) => row.costInCents),
    textColumn(rows, (row) => row.metadata?.text),
    numberColumn(rows, (row) => row.metadata?.expectVersion),
    booleanColumn(rows, (row) => row.freeIdempotencyKey),
    bytesColumn(rows, (row) => historyRecord("FINISHED", requireStorableId(row.runId), nowMs)),
  ];
}

/** Result rows by id; ids that are none of ours are absent. */
async function readResults(pool: Pool, ids: readonly string[]): Promise<Map<string, RunResult>> {
  const known = ids.filter((id) => idMillis(id) !== null);
  const { rows } = await pool.query<ResultRow>({
    ...READ_RESULTS,
    values: [textColumn(known, (id) => id), timeColumn(known, (id) => new Date(idMillis(id) ?? 0))],
  });
  return new Map(rows.map((row) => [row.id, toResult(row)]));
}
