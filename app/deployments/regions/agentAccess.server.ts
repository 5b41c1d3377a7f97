/** Who an agent is, by its token. Agents call several times a run, so what a token says is kept for a second. */
import { INSTANCE_NAME_HEADER } from "../../../agent/protocol";
import type { AgentAuthenticator, AgentCaller } from "../../auth/types";
import { hashCredential } from "../../environments/tenancy/keys.server";
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { AppError } from "../../utils/appError";
import { looksLikeAgentToken } from "./agentTokens.server";
import { RecentAnswers } from "./recentAnswers";

const FIND_SQL = { name: "cp-agent-token", text: loadScript("deployments/regions/sql/agent-token.sql") };
const TRUST_MS = 1_000;
const MAX_NAME = 128;

type TokenRow = { token_id: string; region_id: string; region_name: string };
type TokenOwner = Pick<AgentCaller, "tokenId" | "region">;

/** Needs the pool alone, so that routes, sockets and the engine can use it before the rest of deployments is built. */
export function createAgentAccess(deps: { pool: Pool; clock: Clock }): AgentAuthenticator {
  const recent = new RecentAnswers<TokenOwner>(deps.clock, TRUST_MS);
  const find = async (token: string): Promise<TokenOwner | null> => {
    const { rows } = await deps.pool.query<TokenRow>({ ...FIND_SQL, values: [hashCredential(token)] });
    const [row] = rows;
    return row ? { tokenId: row.token_id, region: { id: row.region_id, name: row.region_name } } : null;
  };
  return {
    async authenticate(headers) {
      const token = /^Bearer (\S+)$/i.exec(headers.get("authorization") ?? "")?.[1] ?? "";
      const owner = looksLikeAgentToken(token) ? await recent.get(token, () => find(token)) : null;
      if (!owner) throw new AppError("invalid_agent_token", 401, "Invalid or missing agent token. Create one on the region's page.");
      return { ...owner, instanceName: instanceNameOf(headers) };
    },
  };
}

function instanceNameOf(headers: Headers): string {
  const name = headers.get(INSTANCE_NAME_HEADER) ?? "";
  if (name.length > 0 && name.length <= MAX_NAME) return name;
  throw new AppError("invalid_instance_name", 400, `Header ${INSTANCE_NAME_HEADER} must hold 1 to ${MAX_NAME} characters.`);
}
