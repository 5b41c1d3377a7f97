/** Agents as they say they are, and when they were last heard of. */
import { connectMetadataSchema, type ConnectAnswer, type ConnectMetadata } from "../../../agent/protocol";
import type { AgentCaller } from "../../auth/types";
import type { Clock } from "../../platform/clock";
import { inTransaction, type Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { AppError } from "../../utils/appError";
import { mintId } from "../../utils/ids";
import type { Workflow } from "../ports";

const CONNECT_SQL = loadScript("deployments/regions/sql/agent-connect.sql");
const SEEN_SQL = {
  name: "cp-agent-seen",
  text: "UPDATE agent SET last_seen_at = greatest(last_seen_at, $3) WHERE region_id = $1 AND instance_name = $2 RETURNING id",
};

/** As long ago as it takes for the clocks of all machines to agree that it is over. */
const END_BUILDS_SQL =
  "UPDATE build_job SET lease_until = 'epoch' WHERE agent_id = $1 AND state = 'claimed' RETURNING deployment_id AS \"deploymentId\"";

export class Agents {
  constructor(private readonly deps: { pool: Pool; clock: Clock; workflow: Pick<Workflow, "signal"> }) {}

  /**
   * An agent connects once, when it starts: builds that it had are lost with the process that ran them, and are given away
   * now instead of when their lease is over. Throws 400 for metadata that claims to be an agent's and is not.
   */
  async connect(caller: AgentCaller, metadata: Record<string, unknown>): Promise<ConnectAnswer> {
    const { capabilities, slots } = selfDescription(metadata);
    const now = this.deps.clock.now();
    const values = [mintId(now), caller.region.id, caller.instanceName, JSON.stringify(capabilities), slots, new Date(now)];
    const agentId = await inTransaction(this.deps.pool, async (tx) => {
      const { rows } = await tx.query<{ id: string }>(CONNECT_SQL, values);
      const id = rows[0]?.id ?? "";
      const lost = await tx.query<{ deploymentId: string }>(END_BUILDS_SQL, [id]);
      for (const { deploymentId } of lost.rows) await this.deps.workflow.signal(tx, deploymentId, "build");
      return id;
    });
    return { ok: true, workerGroup: { type: "MANAGED", name: caller.region.name }, agentId };
  }

  /** Id of the calling agent, which counts as heard of now. Throws 404 before it has connected. */
  async seen(caller: AgentCaller): Promise<string> {
    const values = [caller.region.id, caller.instanceName, new Date(this.deps.clock.now())];
    const { rows } = await this.deps.pool.query<{ id: string }>({ ...SEEN_SQL, values });
    const [row] = rows;
    if (row) return row.id;
    throw new AppError(
      "agent_not_connected",
      404,
      `Agent "${caller.instanceName}" is not known in region "${caller.region.name}". Call connect first.`
    );
  }
}

/** A supervisor that is not ours says nothing of itself: it may take runs, and gets no replicas and no builds. */
const STRANGER = { capabilities: { roles: [] }, slots: 1 };

function selfDescription(metadata: Record<string, unknown>): ConnectMetadata | typeof STRANGER {
  if (metadata.capabilities === undefined) return STRANGER;
  const parsed = connectMetadataSchema.safeParse(metadata);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `metadata.${issue.path.join(".")}: ${issue.message}`);
  throw new AppError("invalid_body", 400, `Invalid body: ${problems.join("; ")}`);
}
