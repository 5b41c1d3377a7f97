/** Follow-ups of committed changes: at least once, by whichever process is first, until their handler has done them. */
import type { Clock } from "../../../platform/clock";
import type { Pool, PoolClient } from "../../../platform/db.server";
import { errorMessage, type Logger } from "../../../platform/logger";
import { defineLoop, type Loop } from "../../../platform/loop";
import { loadScript } from "../../../platform/scripts.server";
import { mintId } from "../../../utils/ids";
import type { DeploymentJob, JobHandlers } from "../ports";

const CLAIM_SQL = loadScript("deployments/workflow/deployer/sql/job-claim.sql");
const INSERT_SQL =
  "INSERT INTO deployment_job (id, kind, environment_id, deployment_id, generation, next_at) VALUES ($1, $2, $3, $4, $5, $6)";
const NEXT_SQL = "SELECT min(next_at) AS next FROM deployment_job";
const DONE_SQL = "DELETE FROM deployment_job WHERE id = $1 AND attempts = $2";
const FAILED_SQL = "UPDATE deployment_job SET next_at = $3, last_error = $4 WHERE id = $1 AND attempts = $2";

/** A process that adds a job runs it at once; this is for those of a process that died. */
const IDLE_MS = 15_000;
const PAGE = 20;
const CLAIM_MS = 60_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 5 * 60_000;
const MAX_ERROR = 2_000;

export type NewJob = Pick<DeploymentJob, "kind" | "environmentId" | "deploymentId" | "generation"> & { nowMs: number };

/** In the transaction of the change that it follows. */
export async function addJob(tx: PoolClient, job: NewJob): Promise<void> {
  await tx.query(INSERT_SQL, [mintId(job.nowMs), job.kind, job.environmentId, job.deploymentId, job.generation, new Date(job.nowMs)]);
}

export class JobRunner {
  readonly loop: Loop;

  constructor(private readonly deps: { pool: Pool; clock: Clock; log: Logger; handlers: JobHandlers }) {
    this.loop = defineLoop({ name: "deployment_jobs", everyMs: IDLE_MS, log: deps.log, run: () => this.pass() });
  }

  private async pass(): Promise<number> {
    const { pool, clock } = this.deps;
    const now = clock.now();
    const { rows } = await pool.query<DeploymentJob>(CLAIM_SQL, [new Date(now), new Date(now + CLAIM_MS), PAGE]);
    await Promise.all(rows.map((job) => this.run(job)));
    const { rows: left } = await pool.query<{ next: Date | null }>(NEXT_SQL);
    const next = left[0]?.next;
    return next ? Math.min(IDLE_MS, Math.max(0, next.getTime() - clock.now())) : IDLE_MS;
  }

  private async run(job: DeploymentJob): Promise<void> {
    const { pool, clock, log, handlers } = this.deps;
    try {
      const handler = handlers[job.kind];
      if (!handler) throw new Error(`No handler for jobs of kind ${job.kind}.`);
      await handler(job);
      await pool.query(DONE_SQL, [job.id, job.attempts]);
    } catch (error) {
      const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (job.attempts - 1));
      log.warn("deployment_job.failed", { jobId: job.id, kind: job.kind, attempts: job.attempts, message: errorMessage(error) });
      await pool.query(FAILED_SQL, [job.id, job.attempts, new Date(clock.now() + pauseMs), errorMessage(error).slice(0, MAX_ERROR)]);
    }
  }
}
