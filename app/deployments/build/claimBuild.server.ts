/** Hands builds to agents, and holds an agent's call until there is one. */
import type { BuildAssignment } from "../../../agent/build/protocol";
import { BUILD_LEASE_MS } from "../../../agent/build/protocol";
import { hashCredential } from "../../environments/tenancy/keys.server";
import type { EnvironmentDirectory, EnvironmentView } from "../../environments/types";
import type { Clock } from "../../platform/clock";
import { inTransaction, type Pool, type PoolClient } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { friendlyId } from "../../utils/ids";
import type { BuildVariables } from "../api/create/buildVariables.server";
import { deploymentById } from "../rows/deploymentRows.server";
import { HeldCalls } from "../heldCalls";
import { ACTIVE_PHASES } from "../phases";
import type { DeploymentEvents, DeploymentFeed, DeploymentRecord } from "../ports";
import { mintBuildToken } from "./buildToken.server";

const NEXT_SQL = loadScript("deployments/build/sql/claim-next.sql");
const TAKE_SQL = loadScript("deployments/build/sql/claim-take.sql");
const FAIL_SQL = loadScript("deployments/build/sql/build-end.sql");
/** The feed carries hints, and says so when it may have missed some; rows are read again this often without one. */
const REREAD_MS = 10_000;

type NextRow = { deploymentId: string; attempt: number; kind: "source" | "bundle"; environmentId: string };
export type HeldClaim = { agentId: string; agentName: string; waitMs: number; signal: AbortSignal };

export type ClaimDeps = {
  pool: Pool;
  clock: Clock;
  feed: Pick<DeploymentFeed, "onAnyDeployment">;
  directory: Pick<EnvironmentDirectory, "byId">;
  events: DeploymentEvents;
  variables: BuildVariables;
};

export class ClaimBuildService {
  private readonly held = new HeldCalls();

  constructor(private readonly deps: ClaimDeps) {}

  /** A build for the agent; null after the wait, when the connection closes, or when the server drains. */
  call(claim: HeldClaim): Promise<BuildAssignment | null> {
    return this.held.hold(claim, async (held) => {
      const unsubscribe = this.deps.feed.onAnyDeployment(held.bell.ring);
      try {
        for (;;) {
          if (claim.signal.aborted) return null;
          const build = await this.take(claim);
          if (build || held.isOver) return build;
          await held.bell.wait(REREAD_MS);
        }
      } finally {
        unsubscribe();
      }
    });
  }

  /** Answers every held call. */
  stop(): void {
    this.held.stop();
  }

  private take({ agentId, agentName }: HeldClaim): Promise<BuildAssignment | null> {
    return inTransaction(this.deps.pool, async (tx) => {
      const { rows } = await tx.query<NextRow>(NEXT_SQL, [ACTIVE_PHASES]);
      const next = rows[0];
      if (!next) return null;
      const env = await this.deps.directory.byId(next.environmentId);
      const deployment = await deploymentById(tx, next.deploymentId);
      if (!env || !deployment) return this.refuse(tx, next);
      const token = mintBuildToken(env.slug);
      const leaseUntil = new Date(this.deps.clock.now() + BUILD_LEASE_MS);
      await tx.query(TAKE_SQL, [next.deploymentId, next.attempt, agentId, hashCredential(token), leaseUntil]);
      const again = next.attempt > 1 ? ` (attempt ${next.attempt})` : "";
      await this.deps.events.append(tx, next.deploymentId, [
        { step: "building", level: "info", body: `Building on agent ${agentName}${again}.` },
      ]);
      return this.assignment({ next, env, deployment, token });
    });
  }

  /** Its environment was deleted in between: nobody can build it. */
  private async refuse(tx: PoolClient, next: NextRow): Promise<null> {
    const outcome = JSON.stringify({
      ok: false,
      kind: "user",
      code: "environment_gone",
      message: "The environment of this deployment is gone.",
    });
    await tx.query(FAIL_SQL, [next.deploymentId, next.attempt, "failed", outcome, new Date(this.deps.clock.now())]);
    return null;
  }

  private async assignment(parts: {
    next: NextRow;
    env: EnvironmentView;
    deployment: DeploymentRecord;
    token: string;
  }): Promise<BuildAssignment> {
    const { next, env, deployment, token } = parts;
    return {
      deploymentId: deployment.id,
      attempt: next.attempt,
      kind: next.kind,
      token,
      friendlyId: friendlyId("deployment", deployment.id),
      version: deployment.version,
      contentHash: deployment.contentHash,
      environmentId: env.id,
      environmentSlug: env.slug,
      branchName: env.branchName,
      projectId: env.project.id,
      projectRef: env.project.ref,
      configFilePath: deployment.configFilePath,
      buildEnvVars: await this.deps.variables.read(deployment),
    };
  }
}
