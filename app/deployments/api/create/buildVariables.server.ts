/** Build-time variables that the CLI sent with a bundle: sealed on the deployment, readable while it is under way. */
import type { SecretBox } from "../../../environments/secretBox.server";
import type { Pool } from "../../../platform/db.server";
import { conflict } from "../../../utils/appError";
import { buildVariablesContext } from "../../rows/insertDeployment.server";
import { isTerminal } from "../../phases";
import type { DeploymentRecord } from "../../ports";

const READ_SQL = "SELECT build_env_vars_cipher FROM deployment WHERE id = $1";

export class BuildVariables {
  constructor(private readonly deps: { pool: Pool; secretBox: SecretBox }) {}

  /** Throws 409, never to be retried, once the deployment has ended: nobody builds it any more. */
  async read(deployment: Pick<DeploymentRecord, "id" | "environmentId" | "phase">): Promise<Record<string, string>> {
    if (isTerminal(deployment.phase)) {
      throw conflict("deployment_final", "The deployment has ended: its build variables are no longer handed out.");
    }
    const { rows } = await this.deps.pool.query<{ build_env_vars_cipher: Buffer | null }>(READ_SQL, [deployment.id]);
    const cipher = rows[0]?.build_env_vars_cipher;
    if (!cipher) return {};
    return JSON.parse(this.deps.secretBox.open(cipher, buildVariablesContext(deployment.environmentId))) as Record<string, string>;
  }
}
