/** `POST /api/v1/deployments` up to the row: idempotency, attach, refusals, external ids, and the transaction. */
import { setTimeout as delay } from "node:timers/promises";
import type { EnvironmentView } from "../../../environments/types";
import type { SecretBox } from "../../../environments/secretBox.server";
import type { Clock } from "../../../platform/clock";
import { inTransaction, type Pool, type PoolClient } from "../../../platform/db.server";
import { AppError, RetryableError } from "../../../utils/appError";
import { DEPLOYMENT_COLUMNS } from "../../rows/deploymentRows.server";
import { endDeployment } from "../../rows/endDeployment.server";
import { lockEnvironment } from "../../rows/environmentLock.server";
import { buildVariablesContext, insertDeployment, type InsertedDeployment, type NewDeployment } from "../../rows/insertDeployment.server";
import type { Actor, AuditLog, DeploymentEvents, DeploymentRecord, Queryable, Workflow } from "../../ports";
import { readDeploySettings } from "../../settings.server";
import type { CreateDeploymentBody } from "./createBody";
import { canceledFor, nameSuccessor, settleExternalId, type CanceledDeployment } from "./externalIds.server";
import { takeUploadedArtifact } from "./uploadedArtifact.server";

export type CreateDeployment = {
  env: EnvironmentView;
  body: CreateDeploymentBody;
  /** `x-trigger-request-idempotency-key`: the same over the CLI's retries. */
  requestKey: string | null;
  actor: Actor;
};
export type CreatedDeployment = {
  deployment: DeploymentRecord;
  /** `existing`: another deployment already made this external id. */
  outcome: "created" | "existing";
  canceledDeployments: CanceledDeployment[];
};

const REPLAY_SQL =
  `SELECT ${DEPLOYMENT_COLUMNS} FROM deployment d WHERE d.environment_id = $1 AND (d.request_key = $2 OR d.artifact_key = $3) ` +
  "ORDER BY d.id DESC LIMIT 1";
const OLDER_QUEUED_SQL = "SELECT id FROM deployment WHERE environment_id = $1 AND phase = 'queued' AND id <> $2 FOR NO KEY UPDATE";
const MEMBER_SQL = "SELECT 1 FROM org_member WHERE organization_id = $1 AND user_id = $2";
const UNIQUE_VIOLATION = "23505";
const MAX_TRIES = 6;
/** Spread of the wait before another try, in milliseconds. */
const JITTER = { min: 5, spread: 45 };
const MANUAL = "cli:manual";

type Deps = {
  pool: Pool;
  clock: Clock;
  events: DeploymentEvents;
  workflow: Workflow;
  audit: AuditLog;
  secretBox: SecretBox;
  random: () => number;
};

export class CreateDeploymentService {
  constructor(private readonly deps: Deps) {}

  /** The same request again answers the same deployment. Throws 400 and 409 (never to be retried) with the texts that the CLI prints. */
  async call(input: CreateDeployment): Promise<CreatedDeployment> {
    const replayed = await this.replayOf(this.deps.pool, input);
    if (replayed) return this.again(this.deps.pool, replayed);
    refuseUnsupported(input);
    for (let attempt = 1; ; attempt++) {
      try {
        return await inTransaction(this.deps.pool, (tx) => this.create(tx, input));
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        const winner = await this.replayOf(this.deps.pool, input);
        if (winner) return this.again(this.deps.pool, winner);
        if (attempt === MAX_TRIES) {
          throw new RetryableError("version_race", "Failed to allocate a unique worker deployment version. Run the command again.");
        }
        await delay(JITTER.min + this.deps.random() * JITTER.spread);
      }
    }
  }

  private async create(tx: PoolClient, input: CreateDeployment): Promise<CreatedDeployment> {
    const { env, body } = input;
    const { clock } = this.deps;
    await lockEnvironment(tx, env.id);
    // Whoever held the lock may have been the same request.
    const replayed = await this.replayOf(tx, input);
    if (replayed) return this.again(tx, replayed);
    const settled = await settleExternalId(tx, this.deps, { ...input, nowMs: clock.now() });
    if (settled.existing) return { deployment: settled.existing, outcome: "existing", canceledDeployments: [] };
    const artifactKey = await takeUploadedArtifact(tx, { env, key: body.artifactKey, isBundle: body.fromBundle });
    const inserted = await insertDeployment(tx, this.deps, await this.newDeployment(tx, input, artifactKey), clock.now());
    await nameSuccessor(tx, env.id, settled.canceled, inserted.id);
    await this.supersedeOlder(tx, input, inserted);
    const deployment = await this.byId(tx, inserted.id);
    return { deployment, outcome: "created", canceledDeployments: settled.canceled };
  }

  /** The first answer to a command may have been lost, or was "still in progress": each says all of it. */
  private async again(db: Queryable, deployment: DeploymentRecord): Promise<CreatedDeployment> {
    return { deployment, outcome: "created", canceledDeployments: await canceledFor(db, deployment) };
  }

  private async newDeployment(
    tx: PoolClient,
    { env, body, requestKey, actor }: CreateDeployment,
    artifactKey: string
  ): Promise<NewDeployment> {
    const variables = body.buildEnvVars ?? {};
    const hasVariables = Object.keys(variables).length > 0;
    return {
      env,
      contentHash: body.contentHash,
      runtime: body.runtime ?? null,
      fromBundle: body.fromBundle,
      configFilePath: body.configFilePath ?? null,
      artifactKey,
      bundleKey: body.fromBundle ? artifactKey : null,
      skipPromotion: body.skipPromotion,
      buildEnvVarsCipher: hasVariables ? this.deps.secretBox.seal(JSON.stringify(variables), buildVariablesContext(env.id)) : null,
      triggeredById: await memberOf(tx, env, body.userId),
      triggeredVia: body.triggeredVia ?? null,
      git: body.gitMeta ?? null,
      commitSha: body.gitMeta?.commitSha ?? null,
      externalId: body.externalId ?? null,
      requestKey,
      redeployOfId: null,
      actor,
      event: "deployment.create",
    };
  }

  /** Someone who deploys by hand waits for the answer: theirs is never superseded, and neither do they supersede. */
  private async supersedeOlder(tx: PoolClient, { env, body }: CreateDeployment, newer: InsertedDeployment): Promise<void> {
    if (body.triggeredVia === MANUAL || !(await readDeploySettings(tx, env)).supersedeQueued) return;
    const { rows } = await tx.query<{ id: string }>(OLDER_QUEUED_SQL, [env.id, newer.id]);
    for (const { id } of rows) {
      await endDeployment(tx, this.deps, {
        deploymentId: id,
        phase: "superseded",
        message: `Superseded by newer deployment ${newer.version}`,
        code: "superseded",
        supersededById: newer.id,
        nowMs: this.deps.clock.now(),
      });
    }
  }

  private async replayOf(db: Queryable, { env, body, requestKey }: CreateDeployment): Promise<DeploymentRecord | null> {
    const { rows } = await db.query<DeploymentRecord>(REPLAY_SQL, [env.id, requestKey, body.artifactKey ?? null]);
    return rows[0] ?? null;
  }

  private async byId(tx: PoolClient, id: string): Promise<DeploymentRecord> {
    const { rows } = await tx.query<DeploymentRecord>(`SELECT ${DEPLOYMENT_COLUMNS} FROM deployment d WHERE d.id = $1`, [id]);
    if (!rows[0]) throw new Error(`Deployment ${id} is missing in the transaction that inserted it.`);
    return rows[0];
  }
}

function refuseUnsupported({ env, body }: CreateDeployment): void {
  if (body.type === "UNMANAGED") throw refused("unmanaged_deployment", "UNMANAGED deployments are not supported");
  if (env.type === "DEVELOPMENT") {
    throw refused(
      "development_environment",
      "The dev environment has no deployments: run the CLI's dev command, or deploy to prod or staging."
    );
  }
  if (body.isNativeBuild) return;
  throw refused(
    "no_container_region",
    'This server builds without Docker. Update the CLI to 4.6.0 or newer and run "npx trigger.dev@latest deploy", or pass --native-build.'
  );
}

function refused(code: string, text: string): AppError {
  return new AppError(code, 400, text, { "x-should-retry": "false" });
}

/** The CLI names its user; whoever is no member is not written down. */
async function memberOf(tx: PoolClient, env: EnvironmentView, userId: string | undefined): Promise<string | null> {
  if (userId === undefined) return null;
  const { rowCount } = await tx.query(MEMBER_SQL, [env.organization.id, userId.replaceAll("\u0000", "")]);
  return rowCount ? userId : null;
}

function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === UNIQUE_VIOLATION;
}
