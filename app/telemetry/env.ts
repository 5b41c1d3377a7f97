/** Environment variables of telemetry; merged into the server's schema. */
import { z } from "zod";

export const telemetryEnvSchema = z.object({
  /** Days that run events (spans, logs) are kept; whole daily partitions are dropped. Default 7, from 1 to 90. */
  TELEMETRY_RETENTION_DAYS: z.coerce.number().int().min(1).max(90).default(7),
  /** Megabytes of events that may wait in memory for the database before logs, then partial spans, then spans are dropped. Default 32. */
  TELEMETRY_QUEUE_MB: z.coerce.number().int().min(1).max(1024).default(32),
  /** Most events stored of one run by one server process; later ones are dropped and counted. Default 10000. */
  TELEMETRY_MAX_EVENTS_PER_RUN: z.coerce.number().int().min(1).max(1_000_000).default(10_000),
});
