/** Handing out and starting runs, and every change that does not finish one: one statement a group each. */
import type { Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import type { GroupContext } from "../batcher";
import { booleanColumn, bytesColumn, numberColumn, textColumn, timeColumn } from "../columns";
import { COMPACT_ABOVE_BYTES, compactHistory, historyRecord } from "../history";
import { EXECUTION_STATES, RUN_STATUSES } from "../runStates";
import type {
  DequeueOutcome,
  DequeueRequest,
  LiveRun,
  StartOutcome,
  StartRequest,
  TransitionOutcome,
  TransitionRequest,
} from "../runStore";
import { toHeader, toLiveRun, type HeaderRow, type LiveRow } from "./rows";
import { requireStorableId } from "./trigger.server";

const DEQUEUE = { name: "dequeue", text: loadScript("runops/sql/dequeue.sql") };
const START = { name: "start", text: loadScript("runops/sql/start.sql") };
const READ_STARTED = { name: "read-started", text: loadScript("runops/sql/reads/read-started.sql") };
const TRANSITION = { name: "transition", text: loadScript("runops/sql/transition.sql") };
const READ_LIVE = { name: "read-live", text: loadScript("runops/sql/reads/read-live.sql") };
const READ_HISTORY = { name: "read-history", text: "SELECT hist, seq FROM run_ops.run_live WHERE id = $1" };
const WRITE_HISTORY = { name: "write-history", text: "UPDATE run_ops.run_live SET hist = $3 WHERE id = $1 AND seq = $2" };

export type MoveDeps = { pool: Pool };

type Held = { held_epoch: number | null };
type ChangedRow = LiveRow & { hist_bytes: number };
type StartedRow = ChangedRow &
  HeaderRow & { payload: string | null; metadata: string | null; metadata_type: string; replay_key?: string | null };

/** Hands out one group of claimed runs. */
export async function runDequeueGroup(deps: MoveDeps, group: readonly DequeueRequest[], context: GroupContext): Promise<DequeueOutcome[]> {
  const rows = sorted(group);
  const { rows: answers } = await deps.pool.query<(ChangedRow & HeaderRow & { epoch: number | null }) | { id: null; epoch: number | null }>(
    {
      ...DEQUEUE,
      values: [
        textColumn(rows, (row) => row.runId),
        timeColumn(rows, (row) => new Date(requireStorableId(row.runId))),
        numberColumn(rows, (row) => row.epoch),
        textColumn(rows, (row) => row.currentVersionId),
        booleanColumn(rows, (row) => row.relock),
        bytesColumn(rows, (row) => historyRecord("PENDING_EXECUTING", requireStorableId(row.runId), context.nowMs)),
        new Date(context.nowMs).toISOString(),
      ],
    }
  );
  const held = answers[0]?.epoch ?? null;
  const outcomes = new Map<string, DequeueOutcome>();
  for (const row of answers) if (row.id !== null) outcomes.set(row.id, { kind: "dequeued", live: toLiveRun(row), header: toHeader(row) });
  await compactLong(
    deps,
    answers.filter((row): row is ChangedRow & HeaderRow & { epoch: number | null } => row.id !== null)
  );
  if (context.repeated) await recoverDequeued(deps, group, outcomes, context.nowMs);
  return group.map((request) => outcomes.get(request.runId) ?? { kind: request.epoch === held ? "gone" : "stale-epoch" });
}

/** Rows that the unanswered attempt of this group dequeued: they carry its time. */
async function recoverDequeued(
  deps: MoveDeps,
  group: readonly DequeueRequest[],
  outcomes: Map<string, DequeueOutcome>,
  nowMs: number
): Promise<void> {
  const missed = group.map((request) => request.runId).filter((id) => !outcomes.has(id));
  const { rows } = await deps.pool.query<StartedRow>({ ...READ_STARTED, values: [missed] });
  for (const row of rows) {
    if (row.state !== EXECUTION_STATES.PENDING_EXECUTING || row.updated_at.getTime() !== nowMs) continue;
    outcomes.set(row.id, { kind: "dequeued", live: toLiveRun(row), header: toHeader(row) });
  }
}

/** Starts one group of attempts. */
export async function runStartGroup(deps: MoveDeps, group: readonly StartRequest[], context: GroupContext): Promise<StartOutcome[]> {
  const rows = sorted(group);
  const { rows: started } = await deps.pool.query<StartedRow>({
    ...START,
    values: [
      textColumn(rows, (row) => row.runId),
      numberColumn(rows, (row) => row.seq),
      textColumn(rows, (row) => row.replayKey),
      numberColumn(rows, (row) => row.maxAttempt),
      bytesColumn(rows, (row) => historyRecord("EXECUTING", requireStorableId(row.runId), context.nowMs, true)),
      new Date(context.nowMs).toISOString(),
    ],
  });
  const outcomes = new Map<string, StartOutcome>(started.map((row) => [row.id, toStarted("started", row)]));
  await compactLong(deps, started);
  if (outcomes.size < group.length) await judgeRefused(deps, group, outcomes);
  return group.map((request) => outcomes.get(request.runId) ?? { kind: "refused", current: null });
}

/** A start that missed is a repeat when the attempt that runs now was begun by the same request from the same seq. */
async function judgeRefused(deps: MoveDeps, group: readonly StartRequest[], outcomes: Map<string, StartOutcome>): Promise<void> {
  const missed = new Map(group.filter((request) => !outcomes.has(request.runId)).map((request) => [request.runId, request]));
  const { rows } = await deps.pool.query<StartedRow>({ ...READ_STARTED, values: [[...missed.keys()]] });
  for (const row of rows) {
    const request = missed.get(row.id);
    if (!request) continue;
    const repeated = request.replayKey !== null && row.replay_key === request.replayKey && row.attempt_seq === request.seq + 1;
    outcomes.set(row.id, repeated ? toStarted("replayed", row) : { kind: "refused", current: toLiveRun(row) });
  }
}

function toStarted(kind: "started" | "replayed", row: StartedRow): StartOutcome {
  return {
    kind,
    live: toLiveRun(row),
    header: { ...toHeader(row), payload: row.payload },
    metadata: row.metadata,
    metadataType: row.metadata_type,
  };
}

/** Applies one group of transitions. */
export async function runTransitionGroup(
  deps: MoveDeps,
  group: readonly TransitionRequest[],
  context: GroupContext
): Promise<TransitionOutcome[]> {
  const rows = sorted(group);
  const fenced = group.some((request) => request.epoch !== null);
  const { rows: answers } = await deps.pool.query<(ChangedRow & Held) | ({ id: null } & Held)>({
    ...TRANSITION,
    values: [...transitionColumns(rows, context.nowMs), new Date(context.nowMs).toISOString(), fenced],
  });
  const held = answers[0]?.held_epoch ?? null;
  const changed = answers.filter((row): row is ChangedRow & Held => row.id !== null);
  const outcomes = new Map<string, TransitionOutcome>(changed.map((row) => [row.id, { kind: "changed", live: toLiveRun(row) }]));
  await compactLong(deps, changed);
  if (outcomes.size < group.length) await judgeMissed(deps, group, outcomes, context);
  return group.map((request) => {
    const outcome = outcomes.get(request.runId) ?? { kind: "missed", current: null };
    return outcome.kind === "missed" && request.epoch !== null && request.epoch !== held ? { kind: "stale-epoch" } : outcome;
  });
}

async function judgeMissed(
  deps: MoveDeps,
  group: readonly TransitionRequest[],
  outcomes: Map<string, TransitionOutcome>,
  context: GroupContext
): Promise<void> {
  const missed = new Map(group.filter((request) => !outcomes.has(request.runId)).map((request) => [request.runId, request]));
  for (const [id, live] of await readLive(deps.pool, [...missed.keys()])) {
    const request = missed.get(id);
    if (!request) continue;
    const ours =
      context.repeated &&
      live.updatedAt.getTime() === context.nowMs &&
      live.state === request.to.state &&
      live.seq === request.seq + (request.bumpSeq ? 1 : 0);
    outcomes.set(id, ours ? { kind: "changed", live } : { kind: "missed", current: live });
  }
}

function transitionColumns(rows: readonly TransitionRequest[], nowMs: number): unknown[] {
  return [
    textColumn(rows, (row) => row.runId),
    numberColumn(rows, (row) => row.epoch),
    numberColumn(rows, (row) => row.seq),
    numberColumn(rows, (row) => row.from.reduce((bits, state) => bits | (1 << EXECUTION_STATES[state]), 0)),
    numberColumn(rows, (row) => EXECUTION_STATES[row.to.state]),
    numberColumn(rows, (row) => RUN_STATUSES[row.to.status]),
    booleanColumn(rows, ({ set }) => set.dueAt !== undefined),
    timeColumn(rows, ({ set }) => set.dueAt),
    numberColumn(rows, ({ set }) => (set.score === undefined ? null : Math.round(set.score))),
    booleanColumn(rows, ({ set }) => set.versionId !== undefined),
    textColumn(rows, ({ set }) => set.versionId),
    booleanColumn(rows, ({ set }) => set.machine !== undefined),
    textColumn(rows, ({ set }) => set.machine),
    booleanColumn(rows, ({ set }) => set.lastError !== undefined),
    textColumn(rows, ({ set }) => set.lastError),
    booleanColumn(rows, ({ set }) => set.reason !== undefined),
    textColumn(rows, ({ set }) => set.reason),
    booleanColumn(rows, ({ set }) => set.attemptClosed),
    numberColumn(rows, ({ set }) => Math.max(0, Math.round(set.addUsageMs ?? 0))),
    numberColumn(rows, ({ set }) => set.addCostInCents ?? 0),
    booleanColumn(rows, ({ set }) => set.resetDeliveries ?? false),
    booleanColumn(rows, ({ set }) => set.queuedNow ?? false),
    numberColumn(rows, (row) => (row.bumpSeq ? 1 : 0)),
    bytesColumn(rows, (row) => (row.bumpSeq ? historyRecord(row.to.state, requireStorableId(row.runId), nowMs) : Buffer.alloc(0))),
    textColumn(rows, ({ set }) => set.region),
  ];
}

/** Live rows by id; absent when final or unknown. */
export async function readLive(pool: Pool, ids: readonly string[]): Promise<Map<string, LiveRun>> {
  if (ids.length === 0) return new Map();
  const { rows } = await pool.query<LiveRow>({ ...READ_LIVE, values: [[...ids]] });
  return new Map(rows.map((row) => [row.id, toLiveRun(row)]));
}

/** Cuts histories that have grown over their cap. A change in between wins: the next one tries again. */
async function compactLong(deps: MoveDeps, rows: readonly { id: string; hist_bytes: number }[]): Promise<void> {
  for (const { id, hist_bytes } of rows) {
    if (hist_bytes <= COMPACT_ABOVE_BYTES) continue;
    const { rows: found } = await deps.pool.query<{ hist: Buffer; seq: number }>({ ...READ_HISTORY, values: [id] });
    const current = found[0];
    if (!current) continue;
    const compact = compactHistory(current.hist);
    if (compact !== current.hist) await deps.pool.query({ ...WRITE_HISTORY, values: [id, current.seq, compact] });
  }
}

function sorted<Req extends { runId: string }>(group: readonly Req[]): Req[] {
  return [...group].sort((a, b) => (a.runId < b.runId ? -1 : 1));
}
