/** Rare writes beside the life of a run: tags, metadata, keys, cancel cascades. */
import { idMillis } from "../../utils/ids";
import { loadScript } from "../../platform/scripts.server";
import type { MetadataUpdate } from "../runStore";
import { cleanText } from "../storedText";
import type { RunDatabase } from "./database.server";
import { hashIdempotencyKey } from "./trigger.server";

const ADD_TAGS = loadScript("runops/sql/add-tags.sql");
const UPDATE_METADATA = loadScript("runops/sql/update-metadata.sql");

/** Union with the run's tags; null when it would exceed `max`, undefined when the run is unknown. */
export async function addTags(
  db: RunDatabase,
  envId: string,
  id: string,
  tags: { add: readonly string[]; max: number }
): Promise<string[] | null | undefined> {
  const ms = idMillis(id);
  if (ms === null) return undefined;
  const add = [...new Set(tags.add.map(cleanText))];
  const [row] = await db.query<{ tags: string[] | null; changed: boolean }>(ADD_TAGS, [
    envId,
    id,
    new Date(ms).toISOString(),
    add,
    tags.max,
  ]);
  if (!row) return undefined;
  return row.changed ? (row.tags ?? []) : null;
}

/** Compare-and-set of the metadata, live or final; false on a version miss. */
export async function updateMetadata(db: RunDatabase, envId: string, update: MetadataUpdate & { nowMs: number }): Promise<boolean> {
  const ms = idMillis(update.runId);
  if (ms === null) return false;
  const values = [
    envId,
    update.runId,
    new Date(ms).toISOString(),
    cleanText(update.text),
    update.expectVersion,
    new Date(update.nowMs).toISOString(),
  ];
  // A run that becomes final between the two looks of one statement misses both; the second try finds its result.
  for (let attempt = 0; attempt < 2; attempt++) {
    const [row] = await db.query<{ changed: number }>(UPDATE_METADATA, values);
    if (row && row.changed > 0) return true;
  }
  return false;
}

/** Frees a key; the run that held it, or null. */
export async function resetIdempotencyKey(
  db: RunDatabase,
  key: { envId: string; task: string; key: string },
  now: Date
): Promise<string | null> {
  const [row] = await db.query<{ run_id: string; live: boolean }>(
    "DELETE FROM run_ops.idempotency_key WHERE env_id = $1 AND task = $2 AND key_hash = $3 RETURNING run_id, expires_at > $4 AS live",
    [key.envId, cleanText(key.task), hashIdempotencyKey(key.key), now.toISOString()]
  );
  return row?.live ? row.run_id : null;
}

/** Cancelled runs whose children are still to be cancelled, oldest first. */
export async function readCascades(db: RunDatabase, limit: number): Promise<{ envId: string; runId: string }[]> {
  const rows = await db.query<{ env_id: string; run_id: string }>(
    "SELECT env_id, run_id FROM run_ops.cancel_cascade ORDER BY created_at, run_id LIMIT $1",
    [limit],
    "cascades"
  );
  return rows.map((row) => ({ envId: row.env_id, runId: row.run_id }));
}

/** The children of a cancelled run are cancelled. */
export async function clearCascade(db: RunDatabase, runId: string): Promise<void> {
  await db.query("DELETE FROM run_ops.cancel_cascade WHERE run_id = $1", [runId]);
}
