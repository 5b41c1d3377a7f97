/** Deploys the bundle of an earlier deployment again, as a new version. */
import type { EnvironmentView } from "../../environments/types";
import type { Clock } from "../../platform/clock";
import { inTransaction, type Pool, type PoolClient } from "../../platform/db.server";
import { lockEnvironment } from "../rows/environmentLock.server";
import { insertDeployment, type InsertPorts } from "../rows/insertDeployment.server";
import type { Actor, DeploymentRecord } from "../ports";
import { deploymentByReference, notFound } from "../promotion/findDeployment.server";
import { refuseChange } from "./lockForChange.server";
import type { LifecycleAnswer } from "./stopDeployment.server";

/** `deployment`: version or `deployment_<id>`. */
export type RedeployCommand = { env: EnvironmentView; deployment: string; actor: Actor };

export const ARTIFACT_GONE = "The build artifact of this deployment is no longer available.";

/** Shared, so that the sweep does not remove it before the new deployment is there. */
const BUNDLE_SQL = "SELECT 1 FROM artifact WHERE key = $1 AND environment_id = $2 AND state IN ('uploaded', 'consumed') FOR SHARE";
const VARIABLES_SQL = 'SELECT build_env_vars_cipher AS "cipher" FROM deployment WHERE id = $1';
const TRIGGERED_VIA = "redeploy";

type Deps = { pool: Pool; clock: Clock } & InsertPorts;

export class RedeployDeploymentService {
  constructor(private readonly deps: Deps) {}

  /** The new deployment, queued. Throws 404 for an unknown deployment, 409 when its bundle was removed or never made. */
  call(command: RedeployCommand): Promise<LifecycleAnswer> {
    return inTransaction(this.deps.pool, async (tx) => {
      const { env, deployment, actor } = command;
      await lockEnvironment(tx, env.id);
      const source = await deploymentByReference(tx, env.id, deployment);
      if (!source) throw notFound();
      const bundleKey = await bundleOf(tx, source);
      const { rows } = await tx.query<{ cipher: Buffer | null }>(VARIABLES_SQL, [source.id]);
      const { contentHash, runtime, configFilePath, skipPromotion, git, commitSha } = source;
      return insertDeployment(
        tx,
        this.deps,
        {
          ...{ env, contentHash, runtime, configFilePath, skipPromotion, git, commitSha, bundleKey, actor },
          fromBundle: true,
          artifactKey: null,
          buildEnvVarsCipher: rows[0]?.cipher ?? null,
          triggeredById: actor.type === "user" ? actor.id : null,
          triggeredVia: TRIGGERED_VIA,
          externalId: null,
          requestKey: null,
          redeployOfId: source.id,
          event: "deployment.redeploy",
        },
        this.deps.clock.now()
      );
    });
  }
}

async function bundleOf(tx: PoolClient, source: DeploymentRecord): Promise<string> {
  const key = source.bundleKey;
  const found = key === null ? null : await tx.query(BUNDLE_SQL, [key, source.environmentId]);
  if (key === null || found?.rowCount !== 1) refuseChange(ARTIFACT_GONE);
  return key;
}
