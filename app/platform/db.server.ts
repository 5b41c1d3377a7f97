/** Postgres pools. `pg` parses int8 as text; ours are counters and milliseconds, so they become numbers. */
import pg from "pg";
import type { Logger } from "./logger";

const INT8_OID = 20;
/** Missing in the typings of pg-types, which name the builtin scalar types only. */
const INT8_ARRAY_OID = 1016 as Parameters<typeof pg.types.setTypeParser>[0];
pg.types.setTypeParser(INT8_OID, (text) => Number(text));
pg.types.setTypeParser(INT8_ARRAY_OID, (text) => text.slice(1, -1).split(",").filter(Boolean).map(Number));

/** `2026-11-27 16:32:13.25+00`, which a session in UTC gets; the driver's own parser is five times slower. */
const UTC_TIMESTAMP = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00$/;
const parseTimestamp = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ) as (text: string) => unknown;
pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) =>
  UTC_TIMESTAMP.test(text) ? new Date(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`) : parseTimestamp(text)
);

export type Pool = pg.Pool;
export type PoolClient = pg.PoolClient;

export type PoolOptions = {
  url: string;
  /** Most connections at once. */
  max: number;
  /** Shows in pg_stat_activity. */
  name: string;
  /** Ends a statement after this many milliseconds; 0 for none. */
  statementTimeoutMs?: number;
  log: Logger;
};

/** A pool whose idle connections may die (a database restart) without ending the process. */
export function createPool(options: PoolOptions): Pool {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.max,
    application_name: options.name,
    idleTimeoutMillis: 60_000,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    ...(options.statementTimeoutMs ? { statement_timeout: options.statementTimeoutMs } : {}),
  });
  pool.on("error", (error) => options.log.warn("postgres.connection_lost", { pool: options.name, message: error.message }));
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

/** Runs `work` in one transaction; rolls back and rethrows when it throws. */
export async function inTransaction<T>(pool: Pool, work: (tx: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query("BEGIN");
    const result = await work(client);
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK").catch((rollbackError: Error) => {
      broken = rollbackError;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}
