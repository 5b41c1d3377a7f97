/**
 * Connections of one run database. Group statements get connections whose planner is told what the statements are built
 * for: the live table shrinks to nothing and grows by millions within one cached plan's life, so a plan that scans it
 * because it was small once is never acceptable.
 */
import { createPool, type Pool } from "../../platform/db.server";
import { errorMessage, type Logger } from "../../platform/logger";
import { RetryableError } from "../../utils/appError";
import { classifyFailure } from "../failures";

export type DatabaseOptions = {
  url: string;
  /** Shows in pg_stat_activity and in logs. */
  name: string;
  log: Logger;
  /** Connections for trigger groups. Default 2. */
  triggerConnections?: number;
  /** Connections for dequeue groups. Default 1. */
  dequeueConnections?: number;
  /** Connections for start, finish and transition groups. Default 3. */
  moveConnections?: number;
  /** Connections for reads and rare writes. Default 8. */
  readConnections?: number;
  /** Ends a statement after this many milliseconds. Default 5,000. */
  statementTimeoutMs?: number;
};

/** The pools of one run database. */
export type RunDatabase = {
  trigger: Pool;
  dequeue: Pool;
  move: Pool;
  read: Pool;
  /** For work without a time limit: moving rows between partitions, sweeping. */
  maintenance: Pool;
  /** Rows of a statement on the read pool; a database that is away becomes a `RetryableError`. */
  query<Row extends object>(text: string, values?: readonly unknown[], name?: string): Promise<Row[]>;
  close(): Promise<void>;
};

const TRIGGER_SETTINGS = { jit: "off", plan_cache_mode: "force_generic_plan", enable_seqscan: "off" };
const MOVE_SETTINGS = { ...TRIGGER_SETTINGS, enable_hashjoin: "off", enable_mergejoin: "off" };
/**
 * A dequeue is answered before it is on disk. When Postgres crashes in that moment the run is queued again, and the worker
 * that was given it is refused at its start, which waits for the disk and for everything before it.
 */
const DEQUEUE_SETTINGS = { ...MOVE_SETTINGS, synchronous_commit: "off" };
const READ_SETTINGS = { jit: "off" };
const MAINTENANCE_CONNECTIONS = 2;
const DEFAULT_STATEMENT_TIMEOUT_MS = 5_000;
/** After the server's own timeout, for a connection that hangs instead of failing. */
const CLIENT_TIMEOUT_SLACK_MS = 2_000;

/** Opens nothing yet: pools connect on first use. */
export function createRunDatabase(options: DatabaseOptions): RunDatabase {
  const statementTimeoutMs = options.statementTimeoutMs ?? DEFAULT_STATEMENT_TIMEOUT_MS;
  const pool = (kind: string, max: number, settings: Record<string, string>) =>
    createPool({
      url: withSettings(options.url, settings, statementTimeoutMs + CLIENT_TIMEOUT_SLACK_MS),
      max,
      name: `${options.name}-${kind}`,
      statementTimeoutMs,
      log: options.log,
    });
  const trigger = pool("trigger", options.triggerConnections ?? 2, TRIGGER_SETTINGS);
  const dequeue = pool("dequeue", options.dequeueConnections ?? 1, DEQUEUE_SETTINGS);
  const move = pool("move", options.moveConnections ?? 3, MOVE_SETTINGS);
  const read = pool("read", options.readConnections ?? 8, READ_SETTINGS);
  const maintenance = createPool({ url: options.url, max: MAINTENANCE_CONNECTIONS, name: `${options.name}-maintenance`, log: options.log });
  return {
    trigger,
    dequeue,
    move,
    read,
    maintenance,
    async query<Row extends object>(text: string, values: readonly unknown[] = [], name?: string) {
      try {
        return (await read.query<Row>({ text, values: [...values], ...(name === undefined ? {} : { name }) })).rows;
      } catch (error) {
        throw asRetryable(error, options.log);
      }
    },
    async close() {
      await Promise.all([trigger, dequeue, move, read, maintenance].map((each) => each.end()));
    },
  };
}

/** A database that is away as a 503; every other error as it is. */
export function asRetryable(error: unknown, log: Logger): unknown {
  const kind = classifyFailure(error);
  if (kind !== "unknown" && kind !== "transient") return error;
  log.warn("store.unavailable", { message: errorMessage(error) });
  return new RetryableError("store_unavailable", "The run database did not answer; try again.");
}

function withSettings(url: string, settings: Record<string, string>, queryTimeoutMs: number): string {
  const out = new URL(url);
  const flags = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  const existing = out.searchParams.get("options");
  out.searchParams.set("options", [...(existing ? [existing] : []), ...flags].join(" "));
  out.searchParams.set("query_timeout", String(queryTimeoutMs));
  return out.href;
}
