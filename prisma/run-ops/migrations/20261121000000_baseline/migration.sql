-- Everything written per run. No foreign keys: ids of the control plane are copied as plain values, and each database
-- that holds runs carries this same schema.
CREATE SCHEMA IF NOT EXISTS run_ops;

-- Header, written once with the run. created_at is the millisecond inside the id, so a statement that knows an id knows
-- the partition. Partitions by period are made by the maintenance loop; the default partition takes what falls outside.
CREATE TABLE run_ops.run (
  id text COLLATE "C" NOT NULL,
  created_at timestamptz(3) NOT NULL,
  env_id text COLLATE "C" NOT NULL,
  task text NOT NULL,
  queue text NOT NULL,
  ck text,
  region text NOT NULL,
  payload text,
  payload_type text NOT NULL DEFAULT 'application/json',
  trace_id bytea NOT NULL,
  span_id bytea NOT NULL,
  parent_span_id bytea,
  trace_context text,
  tags text[],
  root_id text COLLATE "C",
  parent_id text COLLATE "C",
  depth smallint NOT NULL DEFAULT 0,
  batch_id text COLLATE "C",
  batch_index integer,
  idempotency_key text,
  schedule_id text COLLATE "C",
  replay_of text COLLATE "C",
  is_test boolean NOT NULL DEFAULT false,
  options text NOT NULL DEFAULT '{}',
  CONSTRAINT run_pkey PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE run_ops.run_default PARTITION OF run_ops.run DEFAULT;
CREATE INDEX run_env_created ON run_ops.run (env_id, created_at, id);
CREATE INDEX run_parent ON run_ops.run (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX run_batch ON run_ops.run (batch_id, batch_index) WHERE batch_id IS NOT NULL;
CREATE INDEX run_schedule ON run_ops.run (schedule_id, created_at) WHERE schedule_id IS NOT NULL;
CREATE INDEX run_tags ON run_ops.run USING gin (tags) WHERE tags IS NOT NULL;

-- One narrow row per run that is not final. No indexed column changes on the hot path, so updates stay HOT; half-empty
-- pages leave room for them. `parked` mirrors status PENDING_VERSION because a predicate on `status` would break that.
CREATE TABLE run_ops.run_live (
  id text COLLATE "C" NOT NULL,
  created_at timestamptz(3) NOT NULL,
  env_id text COLLATE "C" NOT NULL,
  task text NOT NULL,
  queue text NOT NULL,
  ck text,
  region text NOT NULL,
  score bigint NOT NULL,
  state smallint NOT NULL,
  status smallint NOT NULL,
  seq integer NOT NULL,
  gen integer NOT NULL DEFAULT 0,
  blockers integer NOT NULL DEFAULT 0,
  attempt smallint NOT NULL DEFAULT 0,
  attempt_seq integer,
  deliveries smallint NOT NULL DEFAULT 0,
  flags integer NOT NULL DEFAULT 0,
  parked boolean NOT NULL DEFAULT false,
  version_id text COLLATE "C",
  machine text,
  replay_key text,
  parent_id text COLLATE "C",
  idempotency_hash bytea,
  due_at timestamptz(3),
  queued_at timestamptz(3),
  started_at timestamptz(3),
  executed_at timestamptz(3),
  updated_at timestamptz(3) NOT NULL,
  usage_ms integer NOT NULL DEFAULT 0,
  cost double precision NOT NULL DEFAULT 0,
  reason text,
  last_error text,
  hist bytea NOT NULL,
  metadata text,
  metadata_type text NOT NULL DEFAULT 'application/json',
  metadata_version integer NOT NULL DEFAULT 0,
  CONSTRAINT run_live_pkey PRIMARY KEY (id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX run_live_due ON run_ops.run_live (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX run_live_parked ON run_ops.run_live (env_id, id) WHERE parked;

-- Written once when a run becomes final; only late metadata changes it.
CREATE TABLE run_ops.run_result (
  id text COLLATE "C" NOT NULL,
  created_at timestamptz(3) NOT NULL,
  env_id text COLLATE "C" NOT NULL,
  task text NOT NULL,
  status smallint NOT NULL,
  completed_at timestamptz(3) NOT NULL,
  queued_at timestamptz(3),
  started_at timestamptz(3),
  executed_at timestamptz(3),
  attempts smallint NOT NULL,
  attempt_seq integer,
  final_seq integer NOT NULL,
  usage_ms integer NOT NULL,
  cost double precision NOT NULL,
  version_id text COLLATE "C",
  machine text,
  output text,
  output_type text NOT NULL DEFAULT 'application/json',
  error text,
  metadata text,
  metadata_type text NOT NULL DEFAULT 'application/json',
  metadata_version integer NOT NULL DEFAULT 0,
  hist bytea NOT NULL,
  updated_at timestamptz(3) NOT NULL,
  CONSTRAINT run_result_pkey PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE run_ops.run_result_default PARTITION OF run_ops.run_result DEFAULT;
CREATE INDEX run_result_env_status ON run_ops.run_result (env_id, status, created_at, id);
CREATE INDEX run_result_completed ON run_ops.run_result USING brin (completed_at);

-- Who holds an idempotency key of a task. Claimed by the trigger statement, freed by the one that fails the run.
CREATE TABLE run_ops.idempotency_key (
  env_id text COLLATE "C" NOT NULL,
  task text COLLATE "C" NOT NULL,
  key_hash bytea NOT NULL,
  run_id text COLLATE "C" NOT NULL,
  expires_at timestamptz(3) NOT NULL,
  CONSTRAINT idempotency_key_pkey PRIMARY KEY (env_id, task, key_hash)
) WITH (fillfactor = 80);
CREATE INDEX idempotency_key_expires ON run_ops.idempotency_key (expires_at);

-- Answers to repeated requests. The two take turns every ten minutes and the older is truncated: no vacuum.
CREATE TABLE run_ops.request_replay_a (hash bytea NOT NULL, run_id text COLLATE "C" NOT NULL, CONSTRAINT request_replay_a_pkey PRIMARY KEY (hash));
CREATE TABLE run_ops.request_replay_b (hash bytea NOT NULL, run_id text COLLATE "C" NOT NULL, CONSTRAINT request_replay_b_pkey PRIMARY KEY (hash));

-- Consumed one-time tokens; request_hash tells a repeat of the consuming request from a second use.
CREATE TABLE run_ops.one_time_token (
  env_id text COLLATE "C" NOT NULL,
  token_hash bytea NOT NULL,
  request_hash bytea,
  run_id text COLLATE "C" NOT NULL,
  expires_at timestamptz(3) NOT NULL,
  CONSTRAINT one_time_token_pkey PRIMARY KEY (env_id, token_hash)
);
CREATE INDEX one_time_token_expires ON run_ops.one_time_token (expires_at);

-- Cancelled runs whose children are still to be cancelled.
CREATE TABLE run_ops.cancel_cascade (
  run_id text COLLATE "C" NOT NULL,
  env_id text COLLATE "C" NOT NULL,
  created_at timestamptz(3) NOT NULL,
  CONSTRAINT cancel_cascade_pkey PRIMARY KEY (run_id)
);
CREATE INDEX cancel_cascade_created ON run_ops.cancel_cascade (created_at);

-- Time and token waitpoints. Runs and batches are waited for without a row of their own.
CREATE TABLE run_ops.waitpoint (
  id text COLLATE "C" NOT NULL,
  env_id text COLLATE "C" NOT NULL,
  type smallint NOT NULL,
  status smallint NOT NULL,
  idempotency_hash bytea,
  idempotency_key text,
  idempotency_expires_at timestamptz(3),
  due_at timestamptz(3),
  output text,
  output_type text,
  is_error boolean,
  completed_at timestamptz(3),
  completed_by smallint,
  tags text[],
  has_waiters boolean NOT NULL DEFAULT false,
  created_at timestamptz(3) NOT NULL,
  CONSTRAINT waitpoint_pkey PRIMARY KEY (id)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX waitpoint_idempotency ON run_ops.waitpoint (env_id, idempotency_hash) WHERE idempotency_hash IS NOT NULL;
CREATE INDEX waitpoint_due ON run_ops.waitpoint (due_at) WHERE status = 0 AND due_at IS NOT NULL;
CREATE INDEX waitpoint_tokens ON run_ops.waitpoint (env_id, created_at, id) WHERE type = 1;

-- Who waits for what. One cached run may serve two items of a batch, hence the index in the key (-1: no batch).
CREATE TABLE run_ops.wait_edge (
  waiter_id text COLLATE "C" NOT NULL,
  gen integer NOT NULL,
  target_id text COLLATE "C" NOT NULL,
  idx integer NOT NULL DEFAULT -1,
  kind smallint NOT NULL,
  batch_id text COLLATE "C",
  done boolean NOT NULL DEFAULT false,
  created_at timestamptz(3) NOT NULL,
  CONSTRAINT wait_edge_pkey PRIMARY KEY (waiter_id, gen, target_id, idx)
) WITH (fillfactor = 80);
CREATE INDEX wait_edge_target ON run_ops.wait_edge (target_id);
CREATE INDEX wait_edge_pending ON run_ops.wait_edge (created_at) WHERE NOT done;

CREATE TABLE run_ops.batch (
  id text COLLATE "C" NOT NULL,
  env_id text COLLATE "C" NOT NULL,
  parent_id text COLLATE "C",
  status smallint NOT NULL,
  run_count integer NOT NULL,
  received integer NOT NULL DEFAULT 0,
  failed integer NOT NULL DEFAULT 0,
  remaining integer NOT NULL,
  idempotency_hash bytea,
  idempotency_key text,
  idempotency_expires_at timestamptz(3),
  seal_at timestamptz(3),
  sealed_at timestamptz(3),
  completed_at timestamptz(3),
  options text NOT NULL DEFAULT '{}',
  created_at timestamptz(3) NOT NULL,
  updated_at timestamptz(3) NOT NULL,
  CONSTRAINT batch_pkey PRIMARY KEY (id)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX batch_idempotency ON run_ops.batch (env_id, idempotency_hash) WHERE idempotency_hash IS NOT NULL;
CREATE INDEX batch_seal ON run_ops.batch (seal_at) WHERE seal_at IS NOT NULL;
CREATE INDEX batch_env ON run_ops.batch (env_id, created_at, id);

CREATE TABLE run_ops.batch_item (
  batch_id text COLLATE "C" NOT NULL,
  idx integer NOT NULL,
  run_id text COLLATE "C" NOT NULL,
  is_cached boolean NOT NULL DEFAULT false,
  CONSTRAINT batch_item_pkey PRIMARY KEY (batch_id, idx)
);
CREATE INDEX batch_item_run ON run_ops.batch_item (run_id);

-- Generation of the queue index. Row `current` is locked FOR SHARE by every group that takes or frees a slot; row
-- `intent` is read without a lock and holds those groups back while a rebuild waits for its exclusive lock.
CREATE TABLE run_ops.engine_epoch (
  kind text COLLATE "C" NOT NULL,
  epoch bigint NOT NULL,
  redis_run_id text,
  owner text,
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT engine_epoch_pkey PRIMARY KEY (kind)
) WITH (fillfactor = 20);
INSERT INTO run_ops.engine_epoch (kind, epoch) VALUES ('current', 0), ('intent', 0);
