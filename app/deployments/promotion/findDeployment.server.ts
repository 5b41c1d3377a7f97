/** Finds the deployment that a URL or a form names. */
import { AppError } from "../../utils/appError";
import { parseFriendlyId } from "../../utils/ids";
import { deploymentById, deploymentByVersion } from "../rows/deploymentRows.server";
import type { DeploymentRecord, Queryable } from "../ports";

const VERSION = /^[0-9]{8}\.[0-9]{1,9}$/;

/** By version or by `deployment_<id>`; null when the environment has no such one. */
export async function deploymentByReference(db: Queryable, envId: string, reference: string): Promise<DeploymentRecord | null> {
  if (VERSION.test(reference)) return deploymentByVersion(db, envId, reference);
  const id = parseFriendlyId("deployment", reference);
  const found = id === null ? null : await deploymentById(db, id);
  return found?.environmentId === envId ? found : null;
}

/** 404 with the text that the CLI shows. */
export function notFound(): AppError {
  return new AppError("deployment_not_found", 404, "Deployment not found");
}
