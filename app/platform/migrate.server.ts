/**
 * Applies plain-SQL migrations (`<folder>/<name>/migration.sql`) and records them as Prisma does, in the same table with
 * the same checksums and under the same advisory lock, so that `prisma migrate deploy` and this runner are
 * interchangeable. Each file runs in one transaction together with its record: a failure leaves nothing behind.
 */
import { createHash, randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import pg from "pg";
import { errorMessage, type Logger } from "./logger";

export type MigrationSet = {
  /** Shown in messages: "control-plane" or "run-ops". */
  name: string;
  /** Folder with one folder a migration. */
  directory: string;
  /** Schema that holds the record, and the search path while a file runs. Created when missing. */
  schema: string;
};

/** `Prisma Migrate`'s own lock id: two runners of either kind wait for each other. */
const LOCK_ID = 72_707_369;
/** Class 42P07 and the like happen in a file; this one is ours. */
const UNDEFINED_TABLE = "42P01";

/** Both sets, under `prisma/` of the folder that the process runs in. */
export function migrationSets(root: string = process.cwd()): { controlPlane: MigrationSet; runOps: MigrationSet } {
  const directory = (name: string) => path.join(root, "prisma", name, "migrations");
  return {
    controlPlane: { name: "control-plane", directory: directory("control-plane"), schema: "public" },
    runOps: { name: "run-ops", directory: directory("run-ops"), schema: "run_ops" },
  };
}

type Migration = { name: string; file: string; sql: string; checksum: string };
type Recorded = { migration_name: string; checksum: string; finished_at: Date | null; rolled_back_at: Date | null };

/** Migrations of a set in the order in which they apply. A set whose folder does not exist is empty. */
export function listMigrations(set: MigrationSet): Migration[] {
  if (!existsSync(set.directory)) return [];
  return readdirSync(set.directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => ({ name: entry.name, file: path.join(set.directory, entry.name, "migration.sql") }))
    .filter(({ file }) => existsSync(file))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, file }) => {
      const sql = readFileSync(file, "utf8");
      return { name, file, sql, checksum: createHash("sha256").update(sql).digest("hex") };
    });
}

/** Applies what is missing and returns the names that were applied. Throws a text that names the file and the fix. */
export async function applyMigrations(databaseUrl: string, set: MigrationSet, log: Logger): Promise<string[]> {
  const migrations = listMigrations(set);
  return withClient(databaseUrl, async (client) => {
    await client.query("SELECT pg_advisory_lock($1)", [LOCK_ID]);
    await prepare(client, set);
    const recorded = await readRecord(client, set);
    const pending = migrations.filter((migration) => !isApplied(migration, recorded, set));
    for (const migration of pending) {
      const started = Date.now();
      await applyOne(client, set, migration);
      log.info("migration.applied", { set: set.name, migration: migration.name, ms: Date.now() - started });
    }
    return pending.map((migration) => migration.name);
  });
}

/** Names that are in the folder but not in the database; what `/readiness` asks. */
export async function pendingMigrations(client: Pick<pg.Pool, "query">, set: MigrationSet): Promise<string[]> {
  const recorded = await readRecord(client, set).catch((error: unknown) => {
    if ((error as { code?: string }).code === UNDEFINED_TABLE) return [];
    throw error;
  });
  const done = new Set(recorded.filter((row) => row.finished_at && !row.rolled_back_at).map((row) => row.migration_name));
  return listMigrations(set)
    .map((migration) => migration.name)
    .filter((name) => !done.has(name));
}

async function withClient<T>(databaseUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: "sluice-migrate" });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

function table(set: MigrationSet): string {
  return `${pg.escapeIdentifier(set.schema)}._prisma_migrations`;
}

async function prepare(client: pg.Client, set: MigrationSet): Promise<void> {
  await client.query(`CREATE SCHEMA IF NOT EXISTS ${pg.escapeIdentifier(set.schema)}`);
  await client.query(`CREATE TABLE IF NOT EXISTS ${table(set)} (
    id varchar(36) PRIMARY KEY NOT NULL, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL,
    logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)`);
}

async function readRecord(client: Pick<pg.Pool, "query">, set: MigrationSet): Promise<Recorded[]> {
  const { rows } = await client.query<Recorded>(`SELECT migration_name, checksum, finished_at, rolled_back_at FROM ${table(set)}`);
  return rows;
}

function isApplied(migration: Migration, recorded: readonly Recorded[], set: MigrationSet): boolean {
  const rows = recorded.filter((row) => row.migration_name === migration.name && !row.rolled_back_at);
  if (rows.some((row) => !row.finished_at)) {
    throw new Error(
      `Migration ${migration.name} (${set.name}) was begun by Prisma and did not end. Look at what it left in schema ${set.schema}, undo it, then run ` +
        `\`DELETE FROM ${table(set)} WHERE migration_name = '${migration.name}' AND finished_at IS NULL\` and start again.`
    );
  }
  const row = rows[0];
  if (row && row.checksum !== migration.checksum) {
    throw new Error(
      `Migration ${migration.name} (${set.name}) was changed after it had been applied: ${migration.file} no longer matches the database. ` +
        "Restore the file as it was released (git checkout), and put the change into a new migration."
    );
  }
  return row !== undefined;
}

async function applyOne(client: pg.Client, set: MigrationSet, migration: Migration): Promise<void> {
  try {
    await client.query("BEGIN");
    await client.query(`SET LOCAL search_path = ${pg.escapeIdentifier(set.schema)}`);
    await client.query(migration.sql);
    await client.query(
      `INSERT INTO ${table(set)} (id, checksum, finished_at, migration_name, applied_steps_count) VALUES ($1, $2, clock_timestamp(), $3, 1)`,
      [randomUUID(), migration.checksum, migration.name]
    );
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw new Error(describeFailure(error, set, migration), { cause: error });
  }
}

function describeFailure(error: unknown, set: MigrationSet, migration: Migration): string {
  const position = Number((error as { position?: string }).position ?? Number.NaN);
  const line = Number.isNaN(position) ? "" : `:${migration.sql.slice(0, position).split("\n").length}`;
  const hint = (error as { hint?: string }).hint;
  return (
    `Migration ${migration.name} (${set.name}) failed at ${migration.file}${line}: ${errorMessage(error)}${hint ? ` (${hint})` : ""}. ` +
    "Nothing of it was kept. Mend what it names in the database or in the file, then start again: it continues with this migration."
  );
}
