-- Deployments: versions on their way to a region and back, what was promoted when, and the machines that run them.
-- `phase` is ours and fine, `status` is the wire's and coarse; both are always written in one statement.

CREATE TABLE "region" (
  "id"           text COLLATE "C" NOT NULL,
  "name"         text COLLATE "C" NOT NULL,
  "can_schedule" boolean NOT NULL DEFAULT true,
  "created_at"   timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT "region_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "region_name_key" UNIQUE ("name"),
  CONSTRAINT "region_name_check" CHECK ("name" ~ '^[a-z0-9][a-z0-9-]{0,62}$')
);

CREATE TABLE "agent_token" (
  "id"         text COLLATE "C" NOT NULL,
  "region_id"  text COLLATE "C" NOT NULL,
  "token_hash" bytea NOT NULL,
  "obfuscated" text NOT NULL,
  "created_at" timestamptz(3) NOT NULL DEFAULT now(),
  "revoked_at" timestamptz(3),
  CONSTRAINT "agent_token_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "agent_token_token_hash_key" UNIQUE ("token_hash"),
  CONSTRAINT "agent_token_region_id_fkey" FOREIGN KEY ("region_id") REFERENCES "region" ("id") ON DELETE CASCADE
);
CREATE INDEX "agent_token_region_id_idx" ON "agent_token" ("region_id");

-- `capabilities`: {platform, arch, nodeAbi, node, packages[], isolation, roles[], memoryMb}.
CREATE TABLE "agent" (
  "id"            text COLLATE "C" NOT NULL,
  "region_id"     text COLLATE "C" NOT NULL,
  "instance_name" text COLLATE "C" NOT NULL,
  "capabilities"  jsonb NOT NULL,
  "slots"         integer NOT NULL,
  "last_seen_at"  timestamptz(3) NOT NULL,
  "created_at"    timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT "agent_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "agent_region_id_instance_name_key" UNIQUE ("region_id", "instance_name"),
  CONSTRAINT "agent_region_id_fkey" FOREIGN KEY ("region_id") REFERENCES "region" ("id") ON DELETE CASCADE,
  CONSTRAINT "agent_slots_check" CHECK ("slots" BETWEEN 1 AND 10000)
);

CREATE TABLE "regional_setting" (
  "environment_id" text COLLATE "C" NOT NULL,
  "region_id"      text COLLATE "C" NOT NULL,
  "replicas"       integer NOT NULL,
  CONSTRAINT "regional_setting_pkey" PRIMARY KEY ("environment_id", "region_id"),
  CONSTRAINT "regional_setting_environment_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environment" ("id") ON DELETE CASCADE,
  CONSTRAINT "regional_setting_region_id_fkey" FOREIGN KEY ("region_id") REFERENCES "region" ("id"),
  CONSTRAINT "regional_setting_replicas_check" CHECK ("replicas" BETWEEN 1 AND 20)
);

CREATE TABLE "deploy_setting" (
  "environment_id"    text COLLATE "C" NOT NULL,
  "build_path"        text NOT NULL DEFAULT 'native_local_bundle',
  "auto_promote"      boolean NOT NULL DEFAULT true,
  "readiness"         text NOT NULL DEFAULT 'min2',
  "hold_response"     boolean NOT NULL DEFAULT true,
  "supersede_queued"  boolean NOT NULL DEFAULT false,
  "concurrent_builds" integer NOT NULL DEFAULT 1,
  "process_keep_alive" boolean NOT NULL DEFAULT false,
  CONSTRAINT "deploy_setting_pkey" PRIMARY KEY ("environment_id"),
  CONSTRAINT "deploy_setting_environment_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environment" ("id") ON DELETE CASCADE,
  CONSTRAINT "deploy_setting_build_path_check" CHECK ("build_path" IN ('native_local_bundle', 'native')),
  CONSTRAINT "deploy_setting_readiness_check" CHECK ("readiness" IN ('min2', 'all-but-one', 'all')),
  CONSTRAINT "deploy_setting_concurrent_builds_check" CHECK ("concurrent_builds" BETWEEN 1 AND 50)
);

CREATE TABLE "artifact" (
  "key"            text COLLATE "C" NOT NULL,
  "type"           text NOT NULL,
  "project_id"     text COLLATE "C" NOT NULL,
  "environment_id" text COLLATE "C" NOT NULL,
  "limit_bytes"    bigint NOT NULL,
  "expires_at"     timestamptz(3) NOT NULL,
  "state"          text NOT NULL DEFAULT 'pending',
  "bytes"          bigint,
  "sha256"         text,
  "created_at"     timestamptz(3) NOT NULL DEFAULT now(),
  "consumed_at"    timestamptz(3),
  CONSTRAINT "artifact_pkey" PRIMARY KEY ("key"),
  CONSTRAINT "artifact_environment_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environment" ("id") ON DELETE CASCADE,
  CONSTRAINT "artifact_type_check" CHECK ("type" IN ('deployment_context', 'deployment_bundle')),
  CONSTRAINT "artifact_state_check" CHECK ("state" IN ('pending', 'uploaded', 'consumed', 'deleted'))
);
CREATE INDEX "artifact_created_at_idx" ON "artifact" ("created_at");

-- A built version as bytes: `digest` is sha256 over bundle, resolved externals, runtime, platform and layer commands.
CREATE TABLE "release" (
  "digest"       text COLLATE "C" NOT NULL,
  "platform"     text NOT NULL,
  "node_abi"     text NOT NULL,
  "bytes"        bigint NOT NULL,
  "location"     text NOT NULL,
  "created_at"   timestamptz(3) NOT NULL DEFAULT now(),
  "last_used_at" timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT "release_pkey" PRIMARY KEY ("digest")
);

CREATE TABLE "deployment" (
  "id"                    text COLLATE "C" NOT NULL,
  "project_id"            text COLLATE "C" NOT NULL,
  "environment_id"        text COLLATE "C" NOT NULL,
  "short_code"            text COLLATE "C" NOT NULL,
  "version"               text COLLATE "C" NOT NULL,
  "content_hash"          text NOT NULL,
  "phase"                 text NOT NULL,
  "status"                text NOT NULL,
  "desired_state"         text NOT NULL DEFAULT 'running',
  "type"                  text NOT NULL DEFAULT 'MANAGED',
  "runtime"               text,
  "runtime_version"       text,
  "image_reference"       text,
  "worker_version_id"     text COLLATE "C",
  "is_native_build"       boolean NOT NULL DEFAULT true,
  "from_bundle"           boolean NOT NULL DEFAULT false,
  "config_file_path"      text,
  "artifact_key"          text COLLATE "C",
  "bundle_key"            text COLLATE "C",
  "release_digest"        text COLLATE "C",
  "skip_promotion"        boolean NOT NULL DEFAULT false,
  "build_env_vars_cipher" bytea,
  "triggered_by_id"       text COLLATE "C",
  "triggered_via"         text,
  "commit_sha"            text,
  "git"                   jsonb,
  "external_id"           text,
  "request_key"           text,
  "hold_requests"         integer NOT NULL DEFAULT 0,
  "event_seq"             bigint NOT NULL DEFAULT 0,
  "redeploy_of_id"        text COLLATE "C",
  "superseded_by_id"      text COLLATE "C",
  "leader_epoch"          bigint NOT NULL DEFAULT 0,
  "cancel_requested_at"   timestamptz(3),
  "cancel_reason"         text,
  "canceled_reason"       text,
  "failure_step"          text,
  "failure_code"          text,
  "error_data"            jsonb,
  "created_at"            timestamptz(3) NOT NULL DEFAULT now(),
  "updated_at"            timestamptz(3) NOT NULL DEFAULT now(),
  "started_at"            timestamptz(3),
  "installed_at"          timestamptz(3),
  "built_at"              timestamptz(3),
  "deployed_at"           timestamptz(3),
  "failed_at"             timestamptz(3),
  "canceled_at"           timestamptz(3),
  CONSTRAINT "deployment_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "deployment_project_id_short_code_key" UNIQUE ("project_id", "short_code"),
  CONSTRAINT "deployment_environment_id_version_key" UNIQUE ("environment_id", "version"),
  CONSTRAINT "deployment_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "project" ("id"),
  CONSTRAINT "deployment_environment_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environment" ("id"),
  CONSTRAINT "deployment_worker_version_id_fkey" FOREIGN KEY ("worker_version_id") REFERENCES "worker_version" ("id"),
  CONSTRAINT "deployment_release_digest_fkey" FOREIGN KEY ("release_digest") REFERENCES "release" ("digest"),
  CONSTRAINT "deployment_phase_status_check" CHECK (("phase", "status") IN (
    ('queued', 'PENDING'), ('awaiting_approval', 'PENDING'), ('starting', 'INSTALLING'), ('building', 'BUILDING'),
    ('deploying', 'DEPLOYING'), ('network', 'DEPLOYING'), ('finalizing', 'DEPLOYING'), ('ready', 'DEPLOYED'), ('stopped', 'DEPLOYED'),
    ('failed', 'FAILED'), ('failed', 'TIMED_OUT'), ('cancelled', 'CANCELED'), ('superseded', 'CANCELED'), ('skipped', 'CANCELED'))),
  CONSTRAINT "deployment_desired_state_check" CHECK ("desired_state" IN ('running', 'stopped')),
  CONSTRAINT "deployment_external_id_check" CHECK (length("external_id") BETWEEN 1 AND 128),
  CONSTRAINT "deployment_version_check" CHECK ("version" ~ '^[0-9]{8}\.[0-9]{1,9}$')
);
CREATE UNIQUE INDEX "deployment_artifact_key_key" ON "deployment" ("environment_id", "artifact_key") WHERE "artifact_key" IS NOT NULL;
CREATE UNIQUE INDEX "deployment_request_key_key" ON "deployment" ("environment_id", "request_key") WHERE "request_key" IS NOT NULL;
CREATE INDEX "deployment_environment_id_id_idx" ON "deployment" ("environment_id", "id" DESC);
CREATE INDEX "deployment_environment_id_status_id_idx" ON "deployment" ("environment_id", "status", "id" DESC);
CREATE INDEX "deployment_external_id_idx" ON "deployment" ("environment_id", "external_id") WHERE "external_id" IS NOT NULL;
CREATE INDEX "deployment_active_idx" ON "deployment" ("phase") WHERE "phase" NOT IN ('ready', 'stopped', 'failed', 'cancelled', 'superseded', 'skipped');
CREATE INDEX "deployment_release_digest_idx" ON "deployment" ("release_digest") WHERE "release_digest" IS NOT NULL;

CREATE TABLE "deployment_step" (
  "deployment_id" text COLLATE "C" NOT NULL,
  "step"          text NOT NULL,
  "started_at"    timestamptz(3) NOT NULL,
  "ended_at"      timestamptz(3),
  "error"         text,
  "error_summary" text,
  "attempt"       integer NOT NULL DEFAULT 1,
  "outcome"       jsonb,
  CONSTRAINT "deployment_step_pkey" PRIMARY KEY ("deployment_id", "step"),
  CONSTRAINT "deployment_step_deployment_id_fkey" FOREIGN KEY ("deployment_id") REFERENCES "deployment" ("id") ON DELETE CASCADE,
  CONSTRAINT "deployment_step_step_check" CHECK ("step" IN ('queued', 'starting', 'building', 'deploying', 'network', 'finalizing')),
  CONSTRAINT "deployment_step_error_summary_check" CHECK (length("error_summary") <= 512)
);

CREATE TABLE "deployment_event" (
  "deployment_id" text COLLATE "C" NOT NULL,
  "seq"           bigint NOT NULL,
  "at"            timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  "type"          text NOT NULL,
  "step"          text,
  "level"         text NOT NULL,
  "body"          text NOT NULL,
  CONSTRAINT "deployment_event_pkey" PRIMARY KEY ("deployment_id", "seq"),
  CONSTRAINT "deployment_event_deployment_id_fkey" FOREIGN KEY ("deployment_id") REFERENCES "deployment" ("id") ON DELETE CASCADE,
  CONSTRAINT "deployment_event_type_check" CHECK ("type" IN ('log', 'finalized')),
  CONSTRAINT "deployment_event_level_check" CHECK ("level" IN ('debug', 'info', 'warn', 'error'))
);

-- The pointer. History is in deployment_promotion_event, one row a generation, never changed.
CREATE TABLE "deployment_promotion" (
  "environment_id"         text COLLATE "C" NOT NULL,
  "deployment_id"          text COLLATE "C" NOT NULL,
  "previous_deployment_id" text COLLATE "C",
  "is_rolled_back"         boolean NOT NULL DEFAULT false,
  "generation"             bigint NOT NULL,
  "promoted_at"            timestamptz(3) NOT NULL,
  "promoted_by"            text,
  CONSTRAINT "deployment_promotion_pkey" PRIMARY KEY ("environment_id"),
  CONSTRAINT "deployment_promotion_environment_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environment" ("id") ON DELETE CASCADE,
  CONSTRAINT "deployment_promotion_deployment_id_fkey" FOREIGN KEY ("deployment_id") REFERENCES "deployment" ("id")
);

CREATE TABLE "deployment_promotion_event" (
  "environment_id"     text COLLATE "C" NOT NULL,
  "generation"         bigint NOT NULL,
  "kind"               text NOT NULL,
  "from_deployment_id" text COLLATE "C",
  "to_deployment_id"   text COLLATE "C" NOT NULL,
  "actor"              text NOT NULL,
  "at"                 timestamptz(3) NOT NULL,
  CONSTRAINT "deployment_promotion_event_pkey" PRIMARY KEY ("environment_id", "generation"),
  CONSTRAINT "deployment_promotion_event_environment_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environment" ("id") ON DELETE CASCADE,
  CONSTRAINT "deployment_promotion_event_kind_check" CHECK ("kind" IN ('promote', 'auto_promote', 'rollback', 'confirm_rollback'))
);

CREATE TABLE "deployment_topology" (
  "deployment_id"    text COLLATE "C" NOT NULL,
  "region_id"        text COLLATE "C" NOT NULL,
  "desired_replicas" integer NOT NULL,
  "min_replicas"     integer NOT NULL,
  "desired_status"   text NOT NULL,
  "version"          bigint NOT NULL DEFAULT 1,
  CONSTRAINT "deployment_topology_pkey" PRIMARY KEY ("deployment_id", "region_id"),
  CONSTRAINT "deployment_topology_deployment_id_fkey" FOREIGN KEY ("deployment_id") REFERENCES "deployment" ("id") ON DELETE CASCADE,
  CONSTRAINT "deployment_topology_region_id_fkey" FOREIGN KEY ("region_id") REFERENCES "region" ("id"),
  CONSTRAINT "deployment_topology_replicas_check" CHECK ("desired_replicas" BETWEEN 1 AND 20 AND "min_replicas" BETWEEN 1 AND "desired_replicas"),
  CONSTRAINT "deployment_topology_desired_status_check" CHECK ("desired_status" IN ('running', 'stopped'))
);

-- Which agents of the region keep how many replicas; written by the server when it answers desired state.
CREATE TABLE "assignment" (
  "deployment_id" text COLLATE "C" NOT NULL,
  "agent_id"      text COLLATE "C" NOT NULL,
  "replicas"      integer NOT NULL,
  CONSTRAINT "assignment_pkey" PRIMARY KEY ("deployment_id", "agent_id"),
  CONSTRAINT "assignment_deployment_id_fkey" FOREIGN KEY ("deployment_id") REFERENCES "deployment" ("id") ON DELETE CASCADE,
  CONSTRAINT "assignment_agent_id_fkey" FOREIGN KEY ("agent_id") REFERENCES "agent" ("id") ON DELETE CASCADE
);

-- Outbox that agents follow.
CREATE TABLE "deployment_change" (
  "seq"           bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  "region_id"     text COLLATE "C" NOT NULL,
  "deployment_id" text COLLATE "C" NOT NULL,
  "created_at"    timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT "deployment_change_pkey" PRIMARY KEY ("seq")
);
CREATE INDEX "deployment_change_region_id_seq_idx" ON "deployment_change" ("region_id", "seq");

CREATE TABLE "deployment_instance" (
  "id"            text COLLATE "C" NOT NULL,
  "deployment_id" text COLLATE "C" NOT NULL,
  "region_id"     text COLLATE "C" NOT NULL,
  "agent_id"      text COLLATE "C" NOT NULL,
  "runner_id"     text COLLATE "C" NOT NULL,
  "pid"           integer,
  "state"         text NOT NULL,
  "message"       text,
  "restarts"      integer NOT NULL DEFAULT 0,
  "last_seen_at"  timestamptz(3) NOT NULL,
  CONSTRAINT "deployment_instance_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "deployment_instance_agent_id_runner_id_key" UNIQUE ("agent_id", "runner_id"),
  CONSTRAINT "deployment_instance_deployment_id_fkey" FOREIGN KEY ("deployment_id") REFERENCES "deployment" ("id") ON DELETE CASCADE,
  CONSTRAINT "deployment_instance_agent_id_fkey" FOREIGN KEY ("agent_id") REFERENCES "agent" ("id") ON DELETE CASCADE,
  CONSTRAINT "deployment_instance_state_check" CHECK ("state" IN ('preparing', 'running', 'draining', 'failed', 'stopped'))
);
CREATE INDEX "deployment_instance_deployment_id_idx" ON "deployment_instance" ("deployment_id");

CREATE TABLE "version_route" (
  "deployment_id" text COLLATE "C" NOT NULL,
  "region_id"     text COLLATE "C" NOT NULL,
  CONSTRAINT "version_route_pkey" PRIMARY KEY ("deployment_id", "region_id"),
  CONSTRAINT "version_route_deployment_id_fkey" FOREIGN KEY ("deployment_id") REFERENCES "deployment" ("id") ON DELETE CASCADE
);

CREATE TABLE "build_slot" (
  "deployment_id"   text COLLATE "C" NOT NULL,
  "organization_id" text COLLATE "C" NOT NULL,
  "state"           text NOT NULL,
  "priority"        integer NOT NULL,
  "enqueued_at"     timestamptz(3) NOT NULL,
  "granted_at"      timestamptz(3),
  "lease_until"     timestamptz(3),
  CONSTRAINT "build_slot_pkey" PRIMARY KEY ("deployment_id"),
  CONSTRAINT "build_slot_deployment_id_fkey" FOREIGN KEY ("deployment_id") REFERENCES "deployment" ("id") ON DELETE CASCADE,
  CONSTRAINT "build_slot_state_check" CHECK ("state" IN ('waiting', 'active'))
);
CREATE INDEX "build_slot_organization_id_idx" ON "build_slot" ("organization_id", "state", "priority", "enqueued_at");

-- One build of a deployment by one agent. Only the current attempt's token may register a worker, fail, or store a release.
CREATE TABLE "build_job" (
  "deployment_id" text COLLATE "C" NOT NULL,
  "attempt"       integer NOT NULL,
  "kind"          text NOT NULL,
  "state"         text NOT NULL,
  "agent_id"      text COLLATE "C",
  "token_hash"    bytea,
  "lease_until"   timestamptz(3),
  "leader_epoch"  bigint NOT NULL,
  "outcome"       jsonb,
  "created_at"    timestamptz(3) NOT NULL DEFAULT now(),
  "ended_at"      timestamptz(3),
  CONSTRAINT "build_job_pkey" PRIMARY KEY ("deployment_id", "attempt"),
  CONSTRAINT "build_job_deployment_id_fkey" FOREIGN KEY ("deployment_id") REFERENCES "deployment" ("id") ON DELETE CASCADE,
  CONSTRAINT "build_job_kind_check" CHECK ("kind" IN ('source', 'bundle')),
  CONSTRAINT "build_job_state_check" CHECK ("state" IN ('waiting', 'claimed', 'succeeded', 'failed', 'abandoned'))
);
CREATE INDEX "build_job_state_idx" ON "build_job" ("state", "created_at") WHERE "state" IN ('waiting', 'claimed');

CREATE TABLE "scheduled_state_change" (
  "deployment_id" text COLLATE "C" NOT NULL,
  "nonce"         text COLLATE "C" NOT NULL,
  "to_state"      text NOT NULL,
  "due_at"        timestamptz(3) NOT NULL,
  CONSTRAINT "scheduled_state_change_pkey" PRIMARY KEY ("deployment_id"),
  CONSTRAINT "scheduled_state_change_deployment_id_fkey" FOREIGN KEY ("deployment_id") REFERENCES "deployment" ("id") ON DELETE CASCADE,
  CONSTRAINT "scheduled_state_change_to_state_check" CHECK ("to_state" IN ('running', 'stopped'))
);
CREATE INDEX "scheduled_state_change_due_at_idx" ON "scheduled_state_change" ("due_at");

-- Follow-ups of a committed change (release of waiting runs, task identifiers), keyed so that a stale one does nothing.
CREATE TABLE "deployment_job" (
  "id"             text COLLATE "C" NOT NULL,
  "kind"           text NOT NULL,
  "environment_id" text COLLATE "C" NOT NULL,
  "deployment_id"  text COLLATE "C",
  "generation"     bigint,
  "attempts"       integer NOT NULL DEFAULT 0,
  "next_at"        timestamptz(3) NOT NULL DEFAULT now(),
  "last_error"     text,
  CONSTRAINT "deployment_job_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "deployment_job_environment_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environment" ("id") ON DELETE CASCADE
);
CREATE INDEX "deployment_job_next_at_idx" ON "deployment_job" ("next_at");

-- One active deployer. Every write and command of the workflow carries `epoch`.
CREATE TABLE "deployer_lease" (
  "name"        text NOT NULL,
  "holder"      text NOT NULL,
  "epoch"       bigint NOT NULL,
  "lease_until" timestamptz(3) NOT NULL,
  CONSTRAINT "deployer_lease_pkey" PRIMARY KEY ("name")
);

CREATE TABLE "audit_log" (
  "id"              text COLLATE "C" NOT NULL,
  "at"              timestamptz(3) NOT NULL DEFAULT now(),
  "event"           text NOT NULL,
  "actor_type"      text NOT NULL,
  "actor_id"        text,
  "actor_name"      text,
  "ip"              text,
  "user_agent"      text,
  "correlation_id"  text,
  "organization_id" text COLLATE "C",
  "project_id"      text COLLATE "C",
  "environment_id"  text COLLATE "C",
  "deployment_id"   text COLLATE "C",
  "meta"            jsonb,
  CONSTRAINT "audit_log_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "audit_log_environment_id_id_idx" ON "audit_log" ("environment_id", "id" DESC);

-- A change of the pointer or of a deployment reaches every process, the held answers and the pages.
CREATE FUNCTION "report_deployment_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('sluice_deployment', NEW."id" || ' ' || NEW."environment_id" || ' ' || NEW."phase");
  RETURN NULL;
END
$$;
CREATE TRIGGER "deployment_changed" AFTER INSERT OR UPDATE OF "phase", "status", "cancel_requested_at", "worker_version_id", "bundle_key", "desired_state" ON "deployment"
  FOR EACH ROW EXECUTE FUNCTION "report_deployment_change"();
CREATE FUNCTION "report_deployment_detail_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('sluice_deployment_detail', NEW."deployment_id");
  RETURN NULL;
END
$$;
CREATE TRIGGER "deployment_event_added" AFTER INSERT ON "deployment_event" FOR EACH ROW EXECUTE FUNCTION "report_deployment_detail_change"();
CREATE TRIGGER "deployment_step_changed" AFTER INSERT OR UPDATE ON "deployment_step" FOR EACH ROW EXECUTE FUNCTION "report_deployment_detail_change"();
CREATE TRIGGER "deployment_instance_changed" AFTER INSERT OR UPDATE OF "state" ON "deployment_instance" FOR EACH ROW EXECUTE FUNCTION "report_deployment_detail_change"();
-- A build that waits for a builder is heard like a change of its deployment: agents hold a call for it.
CREATE FUNCTION "report_build_job"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('sluice_deployment', "id" || ' ' || "environment_id" || ' ' || "phase") FROM "deployment" WHERE "id" = NEW."deployment_id";
  RETURN NULL;
END
$$;
CREATE TRIGGER "build_job_added" AFTER INSERT ON "build_job" FOR EACH ROW EXECUTE FUNCTION "report_build_job"();
CREATE FUNCTION "report_topology_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('sluice_topology', NEW."region_id" || ' ' || NEW."seq");
  RETURN NULL;
END
$$;
CREATE TRIGGER "deployment_change_added" AFTER INSERT ON "deployment_change" FOR EACH ROW EXECUTE FUNCTION "report_topology_change"();
CREATE TRIGGER "deploy_setting_changed" AFTER INSERT OR UPDATE OR DELETE ON "deploy_setting"
  FOR EACH ROW EXECUTE FUNCTION "report_config_change"('environment', 'environment_id');

-- One region is always there: the machine that the server runs on. Deployed environments start in it, a branch where its parent is.
INSERT INTO "region" ("id", "name") VALUES ('local', 'local');
INSERT INTO "regional_setting" ("environment_id", "region_id", "replicas") SELECT "id", 'local', 1 FROM "environment" WHERE "type" <> 'DEVELOPMENT';
CREATE FUNCTION "give_first_region"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "regional_setting" ("environment_id", "region_id", "replicas")
  SELECT NEW."id", "region_id", "replicas" FROM "regional_setting" WHERE "environment_id" = NEW."parent_id";
  IF NOT FOUND THEN
    INSERT INTO "regional_setting" ("environment_id", "region_id", "replicas") SELECT NEW."id", "id", 1 FROM "region" WHERE "id" = 'local';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER "environment_gets_region" AFTER INSERT ON "environment" FOR EACH ROW WHEN (NEW."type" <> 'DEVELOPMENT')
  EXECUTE FUNCTION "give_first_region"();

-- A version that has just been deployed releases the runs that wait for it, in every process, whether it becomes current or not.
CREATE TRIGGER "deployment_ended_well" AFTER UPDATE OF "status" ON "deployment"
  FOR EACH ROW WHEN (NEW."status" = 'DEPLOYED' AND OLD."status" <> 'DEPLOYED')
  EXECUTE FUNCTION "report_config_change"('worker', 'environment_id');
