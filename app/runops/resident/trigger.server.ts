/** Creating runs: one statement a group, the plain one when no row carries anything rare. */
import { createHash } from "node:crypto";
import type { Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { AppError } from "../../utils/appError";
import { idMillis } from "../../utils/ids";
import type { GroupContext } from "../batcher";
import { booleanColumn, bytesColumn, numberColumn, textArrayColumn, textColumn, timeColumn } from "../columns";
import { historyRecord } from "../history";
import { REPLAY_MODES, replayMode } from "../replayTurns";
import { EXECUTION_STATES, RUN_STATUSES } from "../runStates";
import type { NewRun, TriggerOutcome } from "../runStore";
import { cleanText } from "../storedText";

const PLAIN = { name: "trigger-plain", text: loadScript("runops/sql/trigger-plain.sql") };
const FULL = { name: "trigger", text: loadScript("runops/sql/trigger.sql") };
const UNCLAIM = {
  name: "trigger-unclaim",
  text: "DELETE FROM run_ops.idempotency_key WHERE env_id = $1 AND task = $2 AND key_hash = $3 AND run_id = $4",
};

const UNIQUE_VIOLATION = "23505";
const MS_PER_DAY = 86_400_000;
/** A row without its payload and metadata, roughly. */
const ROW_BYTES = 600;
/** A parent may become final between the lock and the read of its result; a second look finds it. */
const PARENT_LOOKS = 2;

export type TriggerDeps = {
  pool: Pool;
  /** Days that a run is kept; an idempotency key never outlives its run. */
  retentionDays: number;
};

type Row = { run: NewRun; createdMs: number; keyHash: Buffer | null; keyExpiresAt: Date | null; record: Buffer };
type Answer = { id: string; owner: string; kind?: "replayed" | "cached" | "token-used" | "parent-moved" | "canceled"; claimed?: boolean };

/** Bytes that a run adds to a group. */
export function triggerSize(run: NewRun): number {
  return ROW_BYTES + (run.payload?.length ?? 0) + (run.metadata?.length ?? 0);
}

/** The digest under which an idempotency key is stored: keys have up to 2,048 characters, indexes want few bytes. */
export function hashIdempotencyKey(key: string): Buffer {
  return createHash("sha256").update(cleanText(key)).digest();
}

/** Throws when the time is not inside the id: the run could not be found again. */
export function requireStorableId(id: string): number {
  const ms = idMillis(id);
  if (ms === null) throw new AppError("invalid_run_id", 400, `"${id}" is not a run id of this server.`);
  return ms;
}

/** Runs one group of triggers; outcomes in the order of the requests. Safe to repeat. */
export async function runTriggerGroup(deps: TriggerDeps, group: readonly NewRun[], context: GroupContext): Promise<TriggerOutcome[]> {
  const outcomes = new Map<NewRun, TriggerOutcome>();
  let open: readonly NewRun[] = group;
  while (open.length > 0) {
    const { leaders, followers } = separate(open);
    await executeWithParents(deps, leaders, context, outcomes);
    open = followers
      .filter(({ run, leader }) => {
        const answer = answerOfFollower(run, leader, outcomes.get(leader));
        if (answer) outcomes.set(run, answer);
        return answer === null;
      })
      .map(({ run }) => run);
  }
  return group.map((run) => outcomes.get(run) ?? { kind: "created", runId: run.id });
}

type Follower = { run: NewRun; leader: NewRun };

/** One statement cannot meet a key twice: the first of each goes ahead, the others follow it. */
function separate(runs: readonly NewRun[]): { leaders: readonly NewRun[]; followers: Follower[] } {
  if (!mayConflict(runs)) return { leaders: runs, followers: [] };
  const taken = new Map<string, NewRun>();
  const leaders: NewRun[] = [];
  const followers: Follower[] = [];
  for (const run of runs) {
    const claims = claimsOf(run);
    let leader: NewRun | undefined;
    for (const claim of claims) leader ??= taken.get(claim);
    if (leader) {
      followers.push({ run, leader });
      continue;
    }
    for (const claim of claims) taken.set(claim, run);
    leaders.push(run);
  }
  return { leaders, followers };
}

/** False when every run has an id and a request of its own and nothing else to claim: the usual group, decided cheaply. */
function mayConflict(runs: readonly NewRun[]): boolean {
  const ids = new Set<string>();
  const hashes = new Set<string>();
  let hashed = 0;
  for (const run of runs) {
    if (run.idempotency !== null || run.oneTimeToken !== null) return true;
    ids.add(run.id);
    if (run.requestHash) {
      hashes.add(run.requestHash.toString("latin1"));
      hashed += 1;
    }
  }
  return ids.size < runs.length || hashes.size < hashed;
}

function claimsOf(run: NewRun): string[] {
  const claims = [run.id];
  if (run.requestHash) claims.push(`request ${run.requestHash.toString("latin1")}`);
  if (run.idempotency) claims.push(`key ${run.envId} ${run.task} ${run.idempotency.key}`);
  if (run.oneTimeToken) claims.push(`token ${run.envId} ${run.oneTimeToken.hash.toString("latin1")}`);
  return claims;
}

/** What the leader's outcome means for a follower, or null when the follower must ask the database itself. */
function answerOfFollower(run: NewRun, leader: NewRun, outcome: TriggerOutcome | undefined): TriggerOutcome | null {
  if (!outcome) return null;
  if (run.id === leader.id) return outcome;
  if (run.requestHash && leader.requestHash?.equals(run.requestHash)) {
    return outcome.kind === "token-used" ? outcome : { kind: "replayed", runId: outcome.runId };
  }
  // A follower with a token must consume it; a leader that was itself replayed or refused says nothing about the key.
  if (run.oneTimeToken !== null || outcome.kind === "token-used" || outcome.kind === "replayed") return null;
  return sharesKey(run, leader) ? { kind: "cached", runId: outcome.runId } : null;
}

function sharesKey(a: NewRun, b: NewRun): boolean {
  return a.idempotency !== null && a.idempotency.key === b.idempotency?.key && a.task === b.task && a.envId === b.envId;
}

async function executeWithParents(
  deps: TriggerDeps,
  runs: readonly NewRun[],
  context: GroupContext,
  outcomes: Map<NewRun, TriggerOutcome>
): Promise<void> {
  let rows = runs.map((run) => toRow(deps, run, context.nowMs)).sort((a, b) => (a.run.id < b.run.id ? -1 : 1));
  for (let look = 1; rows.length > 0; look++) {
    const moved = await execute(deps, rows, { nowMs: context.nowMs, trustParents: look > PARENT_LOOKS }, outcomes);
    rows = rows.filter((row) => moved.has(row.run.id));
  }
}

/** Runs one statement and notes its outcomes; the ids of rows whose parent moved away meanwhile are returned. */
async function execute(
  deps: TriggerDeps,
  rows: readonly Row[],
  options: { nowMs: number; trustParents: boolean },
  outcomes: Map<NewRun, TriggerOutcome>
): Promise<Set<string>> {
  const answers = (await executePlain(deps, rows, options.nowMs)) ?? (await executeFull(deps, rows, options));
  const moved = new Set<string>();
  if (answers.length === 0) return moved;
  const byId = new Map(rows.map((row) => [row.run.id, row]));
  for (const answer of answers) {
    const row = byId.get(answer.id);
    if (!row) throw new Error(`The trigger statement answered for ${answer.id}, which was not in its group.`);
    if (answer.kind === "parent-moved") moved.add(answer.id);
    else outcomes.set(row.run, toOutcome(answer));
    if (answer.claimed && row.keyHash)
      await deps.pool.query({ ...UNCLAIM, values: [row.run.envId, row.run.task, row.keyHash, row.run.id] });
  }
  return moved;
}

/** Null when the group needs the full statement: a row has something rare, or a run or request of it exists already. */
async function executePlain(deps: TriggerDeps, rows: readonly Row[], nowMs: number): Promise<Answer[] | null> {
  const mode = replayMode(nowMs);
  if (mode === REPLAY_MODES.aThenB || mode === REPLAY_MODES.bThenA || !rows.every((row) => isPlain(row.run))) return null;
  try {
    return (await deps.pool.query<Answer>({ ...PLAIN, values: [...commonColumns(rows), new Date(nowMs).toISOString(), mode] })).rows;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === UNIQUE_VIOLATION) return null;
    throw error;
  }
}

async function executeFull(deps: TriggerDeps, rows: readonly Row[], options: { nowMs: number; trustParents: boolean }): Promise<Answer[]> {
  const values = [
    ...commonColumns(rows),
    new Date(options.nowMs).toISOString(),
    replayMode(options.nowMs),
    ...rareColumns(rows),
    options.trustParents,
  ];
  return (await deps.pool.query<Answer>({ ...FULL, values })).rows;
}

function toOutcome(answer: Answer): TriggerOutcome {
  switch (answer.kind) {
    case "cached":
      return { kind: "cached", runId: answer.owner };
    case "token-used":
      return { kind: "token-used" };
    case "canceled":
      return { kind: "created-canceled", runId: answer.owner };
    default:
      // A group that was committed and repeated meets its own records.
      return answer.owner === answer.id ? { kind: "created", runId: answer.id } : { kind: "replayed", runId: answer.owner };
  }
}

function isPlain(run: NewRun): boolean {
  return (
    run.idempotency === null &&
    run.oneTimeToken === null &&
    run.parentId === null &&
    run.rootId === null &&
    run.batchId === null &&
    run.concurrencyKey === null &&
    run.metadata === null &&
    hasCommonInitialState(run)
  );
}

function hasCommonInitialState(run: NewRun): boolean {
  return (
    run.versionId === null &&
    run.scheduleId === null &&
    run.replayOf === null &&
    run.initial.status !== "PENDING_VERSION" &&
    run.initial.reason === undefined
  );
}

function toRow(deps: TriggerDeps, run: NewRun, nowMs: number): Row {
  const createdMs = requireStorableId(run.id);
  const lastExpiry = nowMs + deps.retentionDays * MS_PER_DAY;
  return {
    run,
    createdMs,
    keyHash: run.idempotency ? hashIdempotencyKey(run.idempotency.key) : null,
    keyExpiresAt: run.idempotency ? new Date(Math.min(run.idempotency.expiresAt.getTime(), lastExpiry)) : null,
    record: historyRecord(run.initial.state, createdMs, nowMs),
  };
}

function commonColumns(rows: readonly Row[]): unknown[] {
  return [
    textColumn(rows, ({ run }) => run.id),
    timeColumn(rows, (row) => new Date(row.createdMs)),
    textColumn(rows, ({ run }) => run.envId),
    textColumn(rows, ({ run }) => run.task),
    textColumn(rows, ({ run }) => run.queue),
    textColumn(rows, ({ run }) => run.region),
    textColumn(rows, ({ run }) => run.payload),
    textColumn(rows, ({ run }) => run.payloadType),
    textColumn(rows, ({ run }) => run.traceId),
    textColumn(rows, ({ run }) => run.spanId),
    textColumn(rows, ({ run }) => run.parentSpanId),
    textColumn(rows, ({ run }) => (run.traceContext === null ? null : JSON.stringify(run.traceContext))),
    textArrayColumn(rows, ({ run }) => run.tags),
    booleanColumn(rows, ({ run }) => run.isTest),
    textColumn(rows, ({ run }) => JSON.stringify(run.options)),
    numberColumn(rows, ({ run }) => EXECUTION_STATES[run.initial.state]),
    numberColumn(rows, ({ run }) => RUN_STATUSES[run.initial.status]),
    numberColumn(rows, ({ run }) => Math.round(run.score)),
    timeColumn(rows, ({ run }) => run.dueAt),
    bytesColumn(rows, (row) => row.record),
    bytesColumn(rows, ({ run }) => run.requestHash),
  ];
}

function rareColumns(rows: readonly Row[]): unknown[] {
  const parents = [...new Set(rows.map(({ run }) => run.parentId).filter((id) => id !== null))].sort();
  return [
    textColumn(parents, (id) => id),
    textColumn(rows, ({ run }) => run.concurrencyKey),
    textColumn(rows, ({ run }) => run.rootId),
    textColumn(rows, ({ run }) => run.parentId),
    timeColumn(rows, ({ run }) => (run.parentId === null ? null : new Date(idMillis(run.parentId) ?? 0))),
    numberColumn(rows, ({ run }) => run.depth),
    textColumn(rows, ({ run }) => run.batchId),
    numberColumn(rows, ({ run }) => run.batchIndex),
    textColumn(rows, ({ run }) => run.idempotencyKey),
    bytesColumn(rows, (row) => row.keyHash),
    timeColumn(rows, (row) => row.keyExpiresAt),
    textColumn(rows, ({ run }) => run.scheduleId),
    textColumn(rows, ({ run }) => run.replayOf),
    textColumn(rows, ({ run }) => run.versionId),
    textColumn(rows, ({ run }) => run.metadata),
    textColumn(rows, ({ run }) => run.metadataType),
    bytesColumn(rows, ({ run }) => run.oneTimeToken?.hash ?? null),
    timeColumn(rows, ({ run }) => run.oneTimeToken?.expiresAt ?? null),
    textColumn(rows, ({ run }) => run.initial.reason ?? null),
  ];
}
