-- Tenancy, credentials, variables, worker versions and queues. Ids are text minted by the server (app/utils/ids.ts),
-- compared byte by byte (COLLATE "C"). Every row that a process caches reports its changes: see the end of the file.

CREATE TABLE "user_account" (
  "id"            text COLLATE "C" NOT NULL,
  "email"         text NOT NULL,
  "name"          text,
  "password_hash" text,
  "admin"         boolean NOT NULL DEFAULT false,
  "created_at"    timestamptz(3) NOT NULL DEFAULT now(),
  "disabled_at"   timestamptz(3),
  CONSTRAINT "user_account_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "user_account_email_key" UNIQUE ("email"),
  CONSTRAINT "user_account_email_check" CHECK ("email" = lower("email") AND length("email") BETWEEN 3 AND 320 AND position('@' IN "email") > 1),
  CONSTRAINT "user_account_name_check" CHECK (length("name") <= 200)
);

CREATE TABLE "organization" (
  "id"         text COLLATE "C" NOT NULL,
  "slug"       text NOT NULL,
  "title"      text NOT NULL,
  "created_at" timestamptz(3) NOT NULL DEFAULT now(),
  "deleted_at" timestamptz(3),
  CONSTRAINT "organization_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "organization_slug_key" UNIQUE ("slug"),
  CONSTRAINT "organization_slug_check" CHECK ("slug" ~ '^[a-z0-9][a-z0-9-]{0,79}$'),
  CONSTRAINT "organization_title_check" CHECK (length("title") BETWEEN 1 AND 200)
);

CREATE TABLE "org_member" (
  "organization_id" text COLLATE "C" NOT NULL,
  "user_id"         text COLLATE "C" NOT NULL,
  "role"            text NOT NULL DEFAULT 'member',
  "created_at"      timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT "org_member_pkey" PRIMARY KEY ("organization_id", "user_id"),
  CONSTRAINT "org_member_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organization" ("id") ON DELETE CASCADE,
  CONSTRAINT "org_member_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user_account" ("id") ON DELETE CASCADE,
  CONSTRAINT "org_member_role_check" CHECK ("role" IN ('admin', 'member'))
);
CREATE INDEX "org_member_user_id_idx" ON "org_member" ("user_id");

CREATE TABLE "project" (
  "id"              text COLLATE "C" NOT NULL,
  "organization_id" text COLLATE "C" NOT NULL,
  "external_ref"    text COLLATE "C" NOT NULL,
  "slug"            text NOT NULL,
  "name"            text NOT NULL,
  "default_region"  text,
  "created_at"      timestamptz(3) NOT NULL DEFAULT now(),
  "deleted_at"      timestamptz(3),
  CONSTRAINT "project_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "project_external_ref_key" UNIQUE ("external_ref"),
  CONSTRAINT "project_organization_id_slug_key" UNIQUE ("organization_id", "slug"),
  CONSTRAINT "project_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organization" ("id"),
  CONSTRAINT "project_external_ref_check" CHECK ("external_ref" ~ '^proj_[a-z0-9]{8,40}$'),
  CONSTRAINT "project_slug_check" CHECK ("slug" ~ '^[a-z0-9][a-z0-9-]{0,79}$'),
  CONSTRAINT "project_name_check" CHECK (length("name") BETWEEN 1 AND 255),
  CONSTRAINT "project_default_region_check" CHECK (length("default_region") BETWEEN 1 AND 100)
);

-- A branch has a parent and no key of its own: it is reached with the parent's key and the branch header.
CREATE TABLE "environment" (
  "id"                text COLLATE "C" NOT NULL,
  "project_id"        text COLLATE "C" NOT NULL,
  "parent_id"         text COLLATE "C",
  "type"              text NOT NULL,
  "slug"              text NOT NULL,
  "branch_name"       text,
  "secret_key_hash"   bytea,
  "secret_key_cipher" bytea,
  "max_concurrency"   integer NOT NULL DEFAULT 100,
  "burst_factor"      double precision NOT NULL DEFAULT 1.0,
  "paused_at"         timestamptz(3),
  "archived_at"       timestamptz(3),
  "current_worker_id" text COLLATE "C",
  "created_at"        timestamptz(3) NOT NULL DEFAULT now(),
  "updated_at"        timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT "environment_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "environment_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "project" ("id"),
  CONSTRAINT "environment_parent_id_fkey" FOREIGN KEY ("parent_id") REFERENCES "environment" ("id"),
  CONSTRAINT "environment_type_check" CHECK (
    ("type", "slug") IN (('DEVELOPMENT', 'dev'), ('STAGING', 'staging'), ('PRODUCTION', 'prod'), ('PREVIEW', 'preview'))
  ),
  CONSTRAINT "environment_branch_check" CHECK (
    ("parent_id" IS NULL) = ("branch_name" IS NULL)
    AND ("branch_name" IS NULL OR ("slug" IN ('dev', 'preview') AND length("branch_name") BETWEEN 1 AND 255))
  ),
  CONSTRAINT "environment_key_check" CHECK (
    ("parent_id" IS NULL) = ("secret_key_hash" IS NOT NULL) AND ("secret_key_hash" IS NULL) = ("secret_key_cipher" IS NULL)
  ),
  CONSTRAINT "environment_limits_check" CHECK ("max_concurrency" BETWEEN 0 AND 1000000 AND "burst_factor" BETWEEN 1 AND 100)
);
CREATE UNIQUE INDEX "environment_secret_key_hash_key" ON "environment" ("secret_key_hash");
CREATE UNIQUE INDEX "environment_place_key" ON "environment" ("project_id", "slug", (COALESCE("branch_name", ''))) WHERE "archived_at" IS NULL;
CREATE INDEX "environment_parent_id_idx" ON "environment" ("parent_id");

-- Keys that were rotated away and still work until their grace ends.
CREATE TABLE "api_key_grace" (
  "id"                text COLLATE "C" NOT NULL,
  "environment_id"    text COLLATE "C" NOT NULL,
  "secret_key_hash"   bytea NOT NULL,
  "secret_key_cipher" bytea NOT NULL,
  "until"             timestamptz(3) NOT NULL,
  "created_at"        timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT "api_key_grace_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "api_key_grace_secret_key_hash_key" UNIQUE ("secret_key_hash"),
  CONSTRAINT "api_key_grace_environment_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environment" ("id") ON DELETE CASCADE
);
CREATE INDEX "api_key_grace_environment_id_idx" ON "api_key_grace" ("environment_id");

CREATE TABLE "personal_access_token" (
  "id"           text COLLATE "C" NOT NULL,
  "user_id"      text COLLATE "C" NOT NULL,
  "name"         text NOT NULL,
  "token_hash"   bytea NOT NULL,
  "obfuscated"   text NOT NULL,
  "created_at"   timestamptz(3) NOT NULL DEFAULT now(),
  "last_used_at" timestamptz(3),
  "revoked_at"   timestamptz(3),
  CONSTRAINT "personal_access_token_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "personal_access_token_token_hash_key" UNIQUE ("token_hash"),
  CONSTRAINT "personal_access_token_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user_account" ("id") ON DELETE CASCADE,
  CONSTRAINT "personal_access_token_name_check" CHECK (length("name") BETWEEN 1 AND 200)
);
CREATE INDEX "personal_access_token_user_id_idx" ON "personal_access_token" ("user_id");

-- The CLI polls with a code of which only the hash is kept; the page that a person opens carries `link_id`, so that
-- whoever sees the address of the page cannot collect the token.
CREATE TABLE "authorization_code" (
  "id"           text COLLATE "C" NOT NULL,
  "link_id"      text COLLATE "C" NOT NULL,
  "code_hash"    bytea NOT NULL,
  "user_id"      text COLLATE "C",
  "created_at"   timestamptz(3) NOT NULL DEFAULT now(),
  "expires_at"   timestamptz(3) NOT NULL,
  "approved_at"  timestamptz(3),
  "denied_at"    timestamptz(3),
  "collected_at" timestamptz(3),
  CONSTRAINT "authorization_code_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "authorization_code_link_id_key" UNIQUE ("link_id"),
  CONSTRAINT "authorization_code_code_hash_key" UNIQUE ("code_hash"),
  CONSTRAINT "authorization_code_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user_account" ("id") ON DELETE CASCADE
);
CREATE INDEX "authorization_code_expires_at_idx" ON "authorization_code" ("expires_at");

CREATE TABLE "dashboard_session" (
  "token_hash" bytea NOT NULL,
  "user_id"    text COLLATE "C" NOT NULL,
  "created_at" timestamptz(3) NOT NULL DEFAULT now(),
  "expires_at" timestamptz(3) NOT NULL,
  CONSTRAINT "dashboard_session_pkey" PRIMARY KEY ("token_hash"),
  CONSTRAINT "dashboard_session_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user_account" ("id") ON DELETE CASCADE
);
CREATE INDEX "dashboard_session_user_id_idx" ON "dashboard_session" ("user_id");
CREATE INDEX "dashboard_session_expires_at_idx" ON "dashboard_session" ("expires_at");

CREATE TABLE "login_link" (
  "token_hash" bytea NOT NULL,
  "user_id"    text COLLATE "C" NOT NULL,
  "created_at" timestamptz(3) NOT NULL DEFAULT now(),
  "expires_at" timestamptz(3) NOT NULL,
  "used_at"    timestamptz(3),
  CONSTRAINT "login_link_pkey" PRIMARY KEY ("token_hash"),
  CONSTRAINT "login_link_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user_account" ("id") ON DELETE CASCADE
);
CREATE INDEX "login_link_expires_at_idx" ON "login_link" ("expires_at");

-- Failures per bucket (address, e-mail, both) within one window; shared by all processes.
CREATE TABLE "login_attempt" (
  "bucket"      bytea NOT NULL,
  "failures"    integer NOT NULL,
  "window_ends" timestamptz(3) NOT NULL,
  CONSTRAINT "login_attempt_pkey" PRIMARY KEY ("bucket")
);
CREATE INDEX "login_attempt_window_ends_idx" ON "login_attempt" ("window_ends");

CREATE TABLE "environment_variable" (
  "id"             text COLLATE "C" NOT NULL,
  "environment_id" text COLLATE "C" NOT NULL,
  "key"            text COLLATE "C" NOT NULL,
  "value_cipher"   bytea NOT NULL,
  "is_secret"      boolean NOT NULL DEFAULT false,
  "version"        integer NOT NULL DEFAULT 1,
  "created_at"     timestamptz(3) NOT NULL DEFAULT now(),
  "updated_at"     timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT "environment_variable_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "environment_variable_environment_id_key_key" UNIQUE ("environment_id", "key"),
  CONSTRAINT "environment_variable_environment_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environment" ("id") ON DELETE CASCADE,
  CONSTRAINT "environment_variable_key_check" CHECK (length("key") BETWEEN 1 AND 256 AND position('=' IN "key") = 0),
  CONSTRAINT "environment_variable_value_check" CHECK (octet_length("value_cipher") <= 262144)
);

-- `organization_id` is '' for a flag of the whole installation.
CREATE TABLE "feature_flag" (
  "organization_id" text COLLATE "C" NOT NULL DEFAULT '',
  "key"             text COLLATE "C" NOT NULL,
  "value"           jsonb NOT NULL,
  "updated_at"      timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT "feature_flag_pkey" PRIMARY KEY ("organization_id", "key"),
  CONSTRAINT "feature_flag_key_check" CHECK (length("key") BETWEEN 1 AND 100)
);

CREATE TABLE "worker_version" (
  "id"                     text COLLATE "C" NOT NULL,
  "environment_id"         text COLLATE "C" NOT NULL,
  "version"                text COLLATE "C" NOT NULL,
  "content_hash"           text NOT NULL,
  "sdk_version"            text NOT NULL,
  "cli_version"            text NOT NULL,
  "runtime"                text,
  "runtime_version"        text,
  "supports_lazy_attempts" boolean NOT NULL DEFAULT false,
  "queue_names"            text[] NOT NULL DEFAULT '{}',
  "metadata"               jsonb NOT NULL,
  "created_at"             timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT "worker_version_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "worker_version_environment_id_version_key" UNIQUE ("environment_id", "version"),
  CONSTRAINT "worker_version_environment_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environment" ("id"),
  CONSTRAINT "worker_version_version_check" CHECK ("version" ~ '^[0-9]{8}\.[0-9]{1,9}$'),
  CONSTRAINT "worker_version_content_hash_check" CHECK (length("content_hash") BETWEEN 1 AND 256)
);
CREATE INDEX "worker_version_newest_idx" ON "worker_version" ("environment_id", "created_at" DESC, "id" DESC);

CREATE TABLE "task" (
  "id"                text COLLATE "C" NOT NULL,
  "worker_version_id" text COLLATE "C" NOT NULL,
  "environment_id"    text COLLATE "C" NOT NULL,
  "slug"              text COLLATE "C" NOT NULL,
  "file_path"         text NOT NULL,
  "export_name"       text,
  "trigger_source"    text NOT NULL,
  "config"            jsonb NOT NULL,
  "created_at"        timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT "task_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "task_worker_version_id_slug_key" UNIQUE ("worker_version_id", "slug"),
  CONSTRAINT "task_worker_version_id_fkey" FOREIGN KEY ("worker_version_id") REFERENCES "worker_version" ("id") ON DELETE CASCADE,
  CONSTRAINT "task_slug_check" CHECK (length("slug") BETWEEN 1 AND 256)
);
CREATE INDEX "task_environment_id_slug_idx" ON "task" ("environment_id", "slug");

-- `base_limit` is what code declares; `override_limit` counts while `overridden_at` is set. NULL: the environment's limit.
CREATE TABLE "queue" (
  "id"             text COLLATE "C" NOT NULL,
  "environment_id" text COLLATE "C" NOT NULL,
  "name"           text COLLATE "C" NOT NULL,
  "type"           text NOT NULL,
  "base_limit"     integer,
  "override_limit" integer,
  "overridden_at"  timestamptz(3),
  "paused_at"      timestamptz(3),
  "created_at"     timestamptz(3) NOT NULL DEFAULT now(),
  "updated_at"     timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT "queue_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "queue_environment_id_name_key" UNIQUE ("environment_id", "name"),
  CONSTRAINT "queue_environment_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environment" ("id"),
  CONSTRAINT "queue_name_check" CHECK (length("name") BETWEEN 1 AND 300),
  CONSTRAINT "queue_type_check" CHECK ("type" IN ('task', 'custom')),
  CONSTRAINT "queue_limit_check" CHECK ("base_limit" BETWEEN 0 AND 1000000 AND "override_limit" BETWEEN 0 AND 1000000)
);

-- A text encrypted with the installation's key: a process with another key cannot read it and refuses to boot.
CREATE TABLE "secret_check" (
  "name"       text COLLATE "C" NOT NULL,
  "cipher"     bytea NOT NULL,
  "created_at" timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT "secret_check_pkey" PRIMARY KEY ("name")
);

-- Changes of configuration, oldest first; processes hear of each by NOTIFY and read the tail twice a second. Old rows are deleted.
CREATE TABLE "config_change" (
  "seq"        bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  "scope"      text NOT NULL,
  "entity_id"  text COLLATE "C" NOT NULL,
  "changed_at" timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT "config_change_pkey" PRIMARY KEY ("seq")
);

-- Writes the change and notifies in the transaction of the change itself. Arguments: scope, name of the column that
-- holds the id to report (the environment's for everything that belongs to one).
CREATE FUNCTION "report_config_change"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changed_row record;
  changed text;
  number bigint;
BEGIN
  IF TG_OP = 'DELETE' THEN changed_row := OLD; ELSE changed_row := NEW; END IF;
  CASE TG_ARGV[1]
    WHEN 'id' THEN changed := changed_row."id";
    WHEN 'environment_id' THEN changed := changed_row."environment_id";
    WHEN 'user_id' THEN changed := changed_row."user_id";
    WHEN 'organization_id' THEN changed := changed_row."organization_id";
  END CASE;
  INSERT INTO "config_change" ("scope", "entity_id") VALUES (TG_ARGV[0], changed) RETURNING "seq" INTO number;
  PERFORM pg_notify('sluice_config_change', number || ' ' || TG_ARGV[0] || ' ' || changed);
  RETURN NULL;
END
$$;

CREATE TRIGGER "organization_changed" AFTER INSERT OR UPDATE OR DELETE ON "organization"
  FOR EACH ROW EXECUTE FUNCTION "report_config_change"('organization', 'id');
CREATE TRIGGER "org_member_changed" AFTER INSERT OR UPDATE OR DELETE ON "org_member"
  FOR EACH ROW EXECUTE FUNCTION "report_config_change"('user', 'user_id');
CREATE TRIGGER "user_account_changed" AFTER INSERT OR UPDATE OR DELETE ON "user_account"
  FOR EACH ROW EXECUTE FUNCTION "report_config_change"('user', 'id');
CREATE TRIGGER "project_changed" AFTER INSERT OR UPDATE OR DELETE ON "project"
  FOR EACH ROW EXECUTE FUNCTION "report_config_change"('project', 'id');
CREATE TRIGGER "environment_changed" AFTER INSERT OR DELETE OR UPDATE OF
  "max_concurrency", "burst_factor", "paused_at", "archived_at", "branch_name", "parent_id" ON "environment"
  FOR EACH ROW EXECUTE FUNCTION "report_config_change"('environment', 'id');
CREATE TRIGGER "environment_key_changed" AFTER UPDATE OF "secret_key_hash", "secret_key_cipher" ON "environment"
  FOR EACH ROW EXECUTE FUNCTION "report_config_change"('key', 'id');
CREATE TRIGGER "environment_worker_changed" AFTER UPDATE OF "current_worker_id" ON "environment"
  FOR EACH ROW EXECUTE FUNCTION "report_config_change"('worker', 'id');
CREATE TRIGGER "api_key_grace_changed" AFTER INSERT OR UPDATE OR DELETE ON "api_key_grace"
  FOR EACH ROW EXECUTE FUNCTION "report_config_change"('key', 'environment_id');
CREATE TRIGGER "worker_version_changed" AFTER INSERT OR UPDATE OR DELETE ON "worker_version"
  FOR EACH ROW EXECUTE FUNCTION "report_config_change"('worker', 'environment_id');
CREATE TRIGGER "queue_changed" AFTER INSERT OR UPDATE OR DELETE ON "queue"
  FOR EACH ROW EXECUTE FUNCTION "report_config_change"('queue', 'environment_id');
CREATE TRIGGER "environment_variable_changed" AFTER INSERT OR UPDATE OR DELETE ON "environment_variable"
  FOR EACH ROW EXECUTE FUNCTION "report_config_change"('variables', 'environment_id');
CREATE TRIGGER "feature_flag_changed" AFTER INSERT OR UPDATE OR DELETE ON "feature_flag"
  FOR EACH ROW EXECUTE FUNCTION "report_config_change"('flag', 'organization_id');
-- `last_used_at` is left out: reading with a token is not a change.
CREATE TRIGGER "personal_access_token_changed" AFTER INSERT OR DELETE OR UPDATE OF "revoked_at", "token_hash" ON "personal_access_token"
  FOR EACH ROW EXECUTE FUNCTION "report_config_change"('token', 'id');
