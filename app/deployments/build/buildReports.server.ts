/** What the agent that has a build reports about it: that it is alive, what it prints, how it ended. */
import {
  BUILD_LEASE_MS,
  type BuildJobRef,
  type BuildLogLine,
  type BuildOutcome,
  type HeartbeatAnswer,
} from "../../../agent/build/protocol";
import { toPostgresJson } from "../../environments/postgresJson";
import type { Clock } from "../../platform/clock";
import { inTransaction, type Pool, type PoolClient } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { conflict } from "../../utils/appError";
import { ACTIVE_PHASES, isTerminal, type Phase } from "../phases";
import type { DeploymentEvents, Workflow } from "../ports";
import type { Releases } from "../releases/releases.server";

const BEAT_SQL = { name: "cp-build-beat", text: loadScript("deployments/build/sql/build-beat.sql") };
const LOCK_SQL = loadScript("deployments/build/sql/build-lock.sql");
const END_SQL = loadScript("deployments/build/sql/build-end.sql");
const RELEASE_SQL = loadScript("deployments/build/sql/build-release.sql");
/** As the workflow grants it; a build that lives keeps its slot. */
const SLOT_LEASE_MS = 10 * 60_000;

type BeatRow = {
  held: boolean;
  phase: Phase;
  cancelRequested: boolean;
  cancelReason: string | null;
  registered: boolean;
  bundled: boolean;
};
export type BuildReport = BuildJobRef & { agentId: string };

export type BuildReportDeps = {
  pool: Pool;
  clock: Clock;
  events: DeploymentEvents;
  workflow: Pick<Workflow, "signal">;
  releases: Releases;
};

export class BuildReports {
  constructor(private readonly deps: BuildReportDeps) {}

  /** Renews the lease of 30 s and says whether to go on. An agent that lost the build is told to stop, as for a cancel. */
  async heartbeat({ deploymentId, attempt, agentId }: BuildReport): Promise<HeartbeatAnswer> {
    const { pool, clock } = this.deps;
    const values = [deploymentId, attempt, agentId, new Date(clock.now() + BUILD_LEASE_MS), new Date(clock.now() + SLOT_LEASE_MS)];
    const { rows } = await pool.query<BeatRow>({ ...BEAT_SQL, values });
    const row = rows[0];
    if (!row) return { cancel: true, reason: "The deployment was deleted.", failed: false, registered: false, bundled: false };
    const reason = stopReason(row);
    return { cancel: reason !== null, reason, failed: row.phase === "failed", registered: row.registered, bundled: row.bundled };
  }

  /** Appends lines to the log of the deployment. Throws 409, never to be retried, for a build that the agent has no more. */
  async log(report: BuildReport, lines: readonly BuildLogLine[]): Promise<void> {
    const { pool, events } = this.deps;
    await inTransaction(pool, async (tx) => {
      await this.lock(tx, report);
      const rows = lines.map(({ level, body }) => ({ step: "building" as const, level, body }));
      await events.append(tx, report.deploymentId, rows);
    });
  }

  /**
   * Ends the build and tells the workflow. A build that failed by a fault of the builder is given to another one; one that
   * failed by what it was given is not. Throws 409 for a build that the agent has no more, and 400 without its release.
   */
  async done(report: BuildReport, outcome: BuildOutcome): Promise<void> {
    const { pool, clock, workflow } = this.deps;
    await inTransaction(pool, async (tx) => {
      await this.lock(tx, report);
      if (outcome.ok) await this.nameRelease(tx, report.deploymentId, outcome.digest);
      const values = [report.deploymentId, report.attempt, stateAfter(outcome), toPostgresJson(outcome), new Date(clock.now())];
      await tx.query(END_SQL, values);
      await workflow.signal(tx, report.deploymentId, "build");
    });
  }

  /** Throws the 409 unless the agent has this build. */
  async assertHeld(report: BuildReport): Promise<void> {
    await inTransaction(this.deps.pool, (tx) => this.lock(tx, report));
  }

  private async lock(tx: PoolClient, { deploymentId, attempt, agentId }: BuildReport): Promise<void> {
    const { rowCount } = await tx.query(LOCK_SQL, [deploymentId, attempt, agentId]);
    if (rowCount) return;
    throw conflict("build_lost", "This build has ended, or was given to another builder. Stop it.");
  }

  private async nameRelease(tx: PoolClient, deploymentId: string, digest: string): Promise<void> {
    const { releases, clock } = this.deps;
    if (!(await releases.lock(tx, digest))) {
      throw conflict("release_missing", `The release ${digest} is not stored. Upload it before the build ends.`);
    }
    const { rowCount } = await tx.query(RELEASE_SQL, [deploymentId, digest, new Date(clock.now()), ACTIVE_PHASES]);
    if (!rowCount) throw conflict("build_lost", "The deployment has ended. Stop the build.");
  }
}

/** `abandoned` is what the workflow takes for a lost builder: it opens another attempt, up to three. */
function stateAfter(outcome: BuildOutcome): "succeeded" | "failed" | "abandoned" {
  if (outcome.ok) return "succeeded";
  return outcome.kind === "machine" || outcome.kind === "cancelled" ? "abandoned" : "failed";
}

function stopReason(row: BeatRow): string | null {
  if (row.cancelRequested || isTerminal(row.phase)) return row.cancelReason ?? `The deployment is ${row.phase}.`;
  return row.held ? null : "The build was given to another builder.";
}
