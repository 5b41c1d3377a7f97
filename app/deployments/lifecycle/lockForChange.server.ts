/** Environment and deployment, locked for a change of state. */
import type { PoolClient } from "../../platform/db.server";
import { conflict } from "../../utils/appError";
import { lockDeployment } from "../rows/deploymentRows.server";
import type { DeploymentRecord } from "../ports";
import { lockEnvironmentRow, type LockedEnvironment } from "../promotion/environmentRow.server";
import { deploymentByReference, notFound } from "../promotion/findDeployment.server";
import { readPointer } from "../promotion/swap.server";

export type LockedDeployment = { environment: LockedEnvironment; deployment: DeploymentRecord; isCurrent: boolean };

/** `reference`: version or `deployment_<id>`. Throws 404 when the environment has no such deployment. */
export async function lockForChange(tx: PoolClient, envId: string, reference: string): Promise<LockedDeployment> {
  const environment = await lockEnvironmentRow(tx, envId);
  const found = environment && (await deploymentByReference(tx, envId, reference));
  const deployment = found && (await lockDeployment(tx, found.id));
  if (!environment || !deployment) throw notFound();
  const pointer = await readPointer(tx, envId);
  return { environment, deployment, isCurrent: pointer?.currentId === deployment.id };
}

/** 409 that the clients do not repeat. */
export function refuseChange(text: string): never {
  throw conflict("lifecycle_refused", text);
}
