/** Who a build is, by its token: it acts for one deployment, as long as its attempt is the newest and that deployment is under way. */
import type { Action, BuildAuthenticator, EnvironmentCaller, Resource } from "../../auth/types";
import { hashCredential } from "../../environments/tenancy/keys.server";
import type { EnvironmentDirectory } from "../../environments/types";
import type { Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { AppError } from "../../utils/appError";
import { parseFriendlyId } from "../../utils/ids";
import { ACTIVE_PHASES } from "../phases";
import { looksLikeBuildToken } from "./buildToken.server";

const FIND_SQL = { name: "cp-build-token", text: loadScript("deployments/build/sql/build-token.sql") };

type TokenRow = { deploymentId: string; environmentId: string; attempt: number };

/** Needs no other part of deployments. */
export function createBuildAccess(deps: { pool: Pool; directory: Pick<EnvironmentDirectory, "byId"> }): BuildAuthenticator {
  return {
    async authenticate(request) {
      const token = /^bearer +(\S+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
      if (!looksLikeBuildToken(token)) return null;
      const { rows } = await deps.pool.query<TokenRow>({ ...FIND_SQL, values: [hashCredential(token), ACTIVE_PHASES] });
      const env = rows[0] ? await deps.directory.byId(rows[0].environmentId) : null;
      if (rows[0] && env) return callerOf(env, rows[0]);
      throw new AppError("build_over", 401, "This build has ended, or was given to another builder: its token is no longer valid.");
    },
  };
}

function callerOf(env: EnvironmentCaller["env"], { deploymentId, attempt }: TokenRow): EnvironmentCaller {
  return {
    env,
    via: "build-token",
    build: { deploymentId, attempt },
    can: (action, anyOf) => anyOf.some((resource) => mayTouch(deploymentId, action, resource)),
    oneTimeToken: null,
    scopes: [],
  };
}

/** Its own deployment, uploads for it, and the variables that the indexer reads. */
function mayTouch(deploymentId: string, action: Action, { type, id }: Resource): boolean {
  if (type === "envvars") return action === "read" || action === "write";
  if (type !== "deployments" || id === undefined || (action !== "read" && action !== "write")) return false;
  return id === "artifacts" || parseFriendlyId("deployment", id) === deploymentId;
}
