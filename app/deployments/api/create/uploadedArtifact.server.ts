/** The artifact that a deployment is made from. */
import type { EnvironmentView } from "../../../environments/types";
import type { PoolClient } from "../../../platform/db.server";
import { AppError } from "../../../utils/appError";

const LOCK_SQL = "SELECT state, type FROM artifact WHERE key = $1 AND environment_id = $2 FOR UPDATE";

type Wanted = { env: EnvironmentView; key: string | undefined; isBundle: boolean };

/** Locks the artifact until the transaction ends. Throws 400 unless it was uploaded to this environment, is of the right kind and is unused. */
export async function takeUploadedArtifact(tx: PoolClient, { env, key, isBundle }: Wanted): Promise<string> {
  const { rows } = await tx.query<{ state: string; type: string }>(LOCK_SQL, [(key ?? "").replaceAll("\u0000", ""), env.id]);
  const type = isBundle ? "deployment_bundle" : "deployment_context";
  if (key !== undefined && rows[0]?.state === "uploaded" && rows[0].type === type) return key;
  throw new AppError("artifact_missing", 400, "Deployment artifact not found or not uploaded", { "x-should-retry": "false" });
}
