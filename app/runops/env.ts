/** Environment variables of the run databases; merged into the server's schema. */
import { z } from "zod";

export const runOpsEnvSchema = z.object({
  /** Days that a run is kept after it was created; whole partitions are dropped. Default 30, from 1 to 3650. */
  RUN_RETENTION_DAYS: z.coerce.number().int().min(1).max(3_650).default(30),
  /** Days in one partition of the run tables. 7 keeps plans short; take 1 from about five million runs a day on. */
  RUN_PARTITION_DAYS: z.coerce.number().int().min(1).max(31).default(7),
  /** Connections of one server process that write groups of run changes. 6 saturate two cores; groups share them. */
  RUN_WRITE_CONNECTIONS: z.coerce.number().int().min(3).max(32).default(6),
});
