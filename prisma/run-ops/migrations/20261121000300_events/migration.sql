-- Spans and logs of runs. Insert-only; daily partitions are created ahead and dropped whole by the telemetry loop.
-- `ts` and `duration` are nanoseconds. `attrs` and `events` are JSON in text columns: nothing queries inside them, and
-- jsonb would refuse characters that user code may log.
CREATE TABLE "run_ops"."event" (
  "trace_id" BYTEA NOT NULL,
  "ts" BIGINT NOT NULL,
  "span_id" BYTEA NOT NULL,
  "parent_span_id" BYTEA,
  "run_id" TEXT COLLATE "C" NOT NULL,
  "env_id" TEXT COLLATE "C" NOT NULL,
  "kind" SMALLINT NOT NULL,
  "level" SMALLINT NOT NULL,
  "is_error" BOOLEAN NOT NULL,
  "attempt" INTEGER,
  "duration" BIGINT NOT NULL,
  "message" TEXT NOT NULL,
  "attrs" TEXT,
  "events" TEXT
) PARTITION BY RANGE ("ts");

CREATE INDEX "event_trace_id_ts_idx" ON "run_ops"."event" ("trace_id", "ts");
