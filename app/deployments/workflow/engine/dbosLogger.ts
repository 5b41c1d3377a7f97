import type * as Dbos from "@dbos-inc/dbos-sdk";
import { errorMessage, type Logger } from "../../../platform/logger";

/** DBOS's lines in our log: its information is detail to us. */
export function dbosLogger(log: Logger): Dbos.DLogger {
  const line = (entry: unknown) => ({ message: typeof entry === "string" ? entry : errorMessage(entry) });
  return {
    info: (entry) => log.debug("dbos", line(entry)),
    debug: () => undefined,
    warn: (entry) => log.warn("dbos", line(entry)),
    error: (entry) => log.error("dbos", line(entry)),
  };
}
