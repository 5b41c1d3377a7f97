/** What a database error says about the statement that met it. */
import type { FailureKind } from "./batcher";

/** Deadlock, serialisation failure, lock timeout: rolled back, and likely to work when repeated. */
const TRANSIENT = new Set(["40P01", "40001", "55P03"]);
/** Cancelled, shut down, crashed, starting, too many connections, out of disk or memory. */
const AWAY_CLASSES = new Set(["08", "53", "57", "58"]);
/** Bad data, violated constraint, limit exceeded: one row's doing. */
const DATA_CLASSES = new Set(["22", "23", "54"]);
/** Socket errors and the driver's own timeouts carry no SQLSTATE. */
const CONNECTION = /connection|timeout|ECONN|EPIPE|socket|Client has encountered/i;

/** `unknown` when the statement may or may not have been committed; see `Batcher`. */
export function classifyFailure(error: unknown): FailureKind {
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  if (/^[0-9A-Z]{5}$/.test(code)) {
    if (TRANSIENT.has(code)) return "transient";
    const sqlClass = code.slice(0, 2);
    if (AWAY_CLASSES.has(sqlClass)) return "unknown";
    return DATA_CLASSES.has(sqlClass) ? "data" : "fatal";
  }
  if (/^E[A-Z]+$/.test(code)) return "unknown";
  return error instanceof Error && CONNECTION.test(error.message) ? "unknown" : "fatal";
}
