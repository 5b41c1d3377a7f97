/** The deployment that a page's address names. */
import { deploymentByShortCode } from "./deploymentRows.server";
import type { DeploymentRecord, Queryable } from "../ports";
import type { EnvironmentView } from "../../environments/types";
import { AppError } from "../../utils/appError";

const SHORT_CODE = /^[0-9a-z]{8}$/;

/** Throws AppError 404 for a code that does not exist, or that belongs to another environment. */
export async function deploymentOfCode(db: Queryable, env: EnvironmentView, code: string): Promise<DeploymentRecord> {
  const found = SHORT_CODE.test(code) ? await deploymentByShortCode(db, env.project.id, code) : null;
  if (found?.environmentId === env.id) return found;
  throw new AppError(
    "deployment_not_found",
    404,
    `There is no deployment ${code.slice(0, 40)} in ${env.slug}. It may be in another environment of this project.`
  );
}
