/** Reading runs for people and for the API. Always from the primary: a caller sees what it has just written. */
import { loadScript } from "../../platform/scripts.server";
import { idMillis } from "../../utils/ids";
import { textColumn, timeColumn } from "../columns";
import { decodeHistory } from "../history";
import { stateName, statusName } from "../runStates";
import type { RunDetail, RunListItem, RunPlace } from "../runStore";
import type { RunDatabase } from "./database.server";
import { toHeader, toResult, type HeaderRow } from "./rows";

const READ_RUN = loadScript("runops/sql/reads/read-run.sql");
const READ_ITEMS = loadScript("runops/sql/reads/read-items.sql");
const PLACE_OF = loadScript("runops/sql/reads/place-of.sql");

/** Columns that list rows and details share: live ones are null when the run is final, and the other way round. */
type ItemRow = HeaderRow & {
  live_state: number | null;
  live_status: number | null;
  live_seq: number | null;
  live_attempt: number | null;
  due_at: Date | null;
  reason: string | null;
  version_id: string | null;
  machine: string | null;
  queued_at: Date | null;
  started_at: Date | null;
  executed_at: Date | null;
  updated_at: Date | null;
  usage_ms: number | null;
  cost: number | null;
  metadata: string | null;
  metadata_type: string | null;
  metadata_version: number | null;
  result_status: number | null;
  completed_at: Date | null;
  attempts: number | null;
  final_seq: number | null;
  error: string | null;
};
type DetailRow = ItemRow & {
  payload: string | null;
  last_error: string | null;
  hist: Buffer | null;
  attempt_seq: number | null;
  output: string | null;
  output_type: string | null;
};

const DEFAULT_METADATA_TYPE = "application/json";

/** One run of an environment; null when it does not exist there. */
export async function readRun(db: RunDatabase, envId: string, id: string): Promise<RunDetail | null> {
  const ms = idMillis(id);
  if (ms === null) return null;
  const [row] = await db.query<DetailRow>(READ_RUN, [envId, id, new Date(ms).toISOString()], "read-run");
  if (!row) return null;
  const common = commonFields(row);
  if (!common) return null;
  return {
    ...common,
    header: { ...toHeader(row), payload: row.payload },
    lastError: row.last_error,
    result: resultOf(row),
    history: row.hist ? decodeHistory(row.hist, ms, common.seq) : [],
  };
}

/** Environment and region of a run; null for an unknown id. */
export async function readPlace(db: RunDatabase, id: string): Promise<RunPlace | null> {
  const ms = idMillis(id);
  if (ms === null) return null;
  const [row] = await db.query<{ env_id: string; region: string }>(PLACE_OF, [id, new Date(ms).toISOString()], "place-of");
  return row ? { envId: row.env_id, region: row.region } : null;
}

/** List rows by id; runs of other environments and unknown ids are absent. */
export async function readItems(db: RunDatabase, envId: string, ids: readonly string[]): Promise<Map<string, RunListItem>> {
  const known = [...new Set(ids)].filter((id) => idMillis(id) !== null);
  if (known.length === 0) return new Map();
  const values = [envId, textColumn(known, (id) => id), timeColumn(known, (id) => new Date(idMillis(id) ?? 0))];
  const out = new Map<string, RunListItem>();
  for (const row of await db.query<ItemRow>(READ_ITEMS, values, "read-items")) {
    const common = commonFields(row);
    if (common) out.set(row.id, { ...common, header: toHeader(row), completedAt: row.completed_at, error: row.error });
  }
  return out;
}

type Common = Omit<RunListItem, "header" | "completedAt" | "error">;

/** Null when there is a header and neither a live row nor a result: retention has taken the result. */
function commonFields(row: ItemRow): Common | null {
  const now = current(row);
  if (!now) return null;
  return {
    ...now,
    versionId: row.version_id,
    machine: row.machine,
    dueAt: row.due_at,
    queuedAt: row.queued_at,
    startedAt: row.started_at,
    executedAt: row.executed_at,
    updatedAt: row.updated_at ?? row.created_at,
    usageMs: row.usage_ms ?? 0,
    costInCents: row.cost ?? 0,
    reason: row.reason,
    metadata: row.metadata,
    metadataType: row.metadata_type ?? DEFAULT_METADATA_TYPE,
    metadataVersion: row.metadata_version ?? 0,
  };
}

function current(row: ItemRow): Pick<Common, "status" | "state" | "seq" | "attempt"> | null {
  if (row.live_status !== null && row.live_state !== null) {
    return {
      status: statusName(row.live_status),
      state: stateName(row.live_state),
      seq: row.live_seq ?? 0,
      attempt: row.live_attempt ?? 0,
    };
  }
  if (row.result_status === null) return null;
  return { status: statusName(row.result_status), state: "FINISHED", seq: row.final_seq ?? 0, attempt: row.attempts ?? 0 };
}

function resultOf(row: DetailRow): RunDetail["result"] {
  if (row.result_status === null || row.completed_at === null) return null;
  return toResult({
    ...row,
    status: row.result_status,
    completed_at: row.completed_at,
    attempts: row.attempts ?? 0,
    final_seq: row.final_seq ?? 0,
    usage_ms: row.usage_ms ?? 0,
    cost: row.cost ?? 0,
    output_type: row.output_type ?? DEFAULT_METADATA_TYPE,
    metadata_type: row.metadata_type ?? DEFAULT_METADATA_TYPE,
    metadata_version: row.metadata_version ?? 0,
    updated_at: row.updated_at ?? row.completed_at,
  });
}
