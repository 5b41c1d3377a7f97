/**
 * building: a builder turns the upload into a release and registers its worker. The workflow opens the job, waits for its
 * end, and opens another one when the builder is lost; what builders send is stored by the build routes.
 */
import { loadScript } from "../../../platform/scripts.server";
import { deploymentById } from "../../rows/deploymentRows.server";
import type { DeploymentRecord } from "../../ports";
import type { DeploymentRun } from "../deploymentRun";
import { DeployError } from "../errors";
import { guarded } from "../guard.server";
import { throwIfStopped } from "../stepRecords.server";
import type { OpenStep, StepDefinition } from "../withStep";

const OPEN_SQL = loadScript("deployments/workflow/sql/build-job-open.sql");
const JOB_SQL = "SELECT state, lease_until, outcome FROM build_job WHERE deployment_id = $1 AND attempt = $2";
const ABANDON_SQL =
  "UPDATE build_job SET state = 'abandoned', ended_at = $3 WHERE deployment_id = $1 AND ($2::integer IS NULL OR attempt = $2) AND state IN ('waiting', 'claimed')";
const BUILT_SQL =
  "UPDATE deployment SET built_at = coalesce(built_at, $2), updated_at = $2, image_reference = coalesce(image_reference, 'release://sha256:' || release_digest) WHERE id = $1";

/** A build whose builder was lost is given to another one, this many times in all. */
const BUILD_ATTEMPTS = 3;

/** What `builds/done` leaves in `build_job.outcome` of a build that failed. */
export type BuildJobOutcome = { message?: string; stderr?: string };
type Job = {
  state: "waiting" | "claimed" | "succeeded" | "failed" | "abandoned";
  lease_until: Date | null;
  outcome: BuildJobOutcome | null;
};
type BuildEnd = { kind: "built" | "lost" } | { kind: "failed" | "no-worker"; message: string; stderr?: string };

export const buildingStep: StepDefinition<{ attempts: number }> = {
  step: "building",
  prepare: (run) => run.undo.push({ name: "build", done: "Stopped the build and removed what it left.", run: () => discard(run) }),
  work: async (run, open) => {
    for (let round = 1; ; round += 1) {
      const attempt = await run.durable.step(`building.job.${round}`, () => openJob(run));
      const end = await run.durable.waitFor(`building.wait.${round}`, open.deadlineMs, () => look(run, attempt));
      if (end?.kind === "lost") {
        await run.durable.step(`building.lost.${round}`, () => abandon(run, attempt));
        continue;
      }
      throwUnlessBuilt(end, open);
      await run.durable.step("building.built", () => keepBuilt(run));
      return { attempts: attempt };
    }
  },
};

function throwUnlessBuilt(end: BuildEnd | null, open: OpenStep): void {
  if (end === null) {
    const minutes = Math.max(1, Math.round((open.deadlineMs - open.startedAtMs) / 60_000));
    throw new DeployError("timed_out", `The build did not end within ${minutes} minutes.`);
  }
  const details = "stderr" in end && end.stderr ? { stderr: end.stderr } : {};
  if (end.kind === "failed") throw new DeployError("build_failed", end.message, details);
  if (end.kind === "no-worker") throw new DeployError("no_worker", end.message, details);
}

function openJob(run: DeploymentRun): Promise<number> {
  const { pool, clock } = run.deps;
  return guarded(pool, run, async (tx, row) => {
    throwIfStopped(row);
    // A redeploy of what is built has nothing to wait for.
    if (row.workerVersionId && row.releaseDigest) return 0;
    const kind = row.bundleKey !== null || row.fromBundle ? "bundle" : "source";
    const { rows } = await tx.query<{ attempt: number }>(OPEN_SQL, [row.id, kind, run.epoch, new Date(clock.now()), BUILD_ATTEMPTS]);
    if (rows[0]) return rows[0].attempt;
    throw new DeployError("builder_lost", `The builder was lost ${BUILD_ATTEMPTS} times. Check the agents with the role "builder".`);
  });
}

/** Null while the build is on its way. Reads only; the job before the deployment, whose worker and release come with the job's end. */
async function look({ deploymentId, deps: { pool, clock } }: DeploymentRun, attempt: number): Promise<BuildEnd | null> {
  const { rows } = await pool.query<Job>(JOB_SQL, [deploymentId, attempt]);
  const row = await deploymentById(pool, deploymentId);
  if (!row) throw new DeployError("ended", "The deployment was deleted.");
  throwIfStopped(row);
  return attempt === 0 ? { kind: "built" } : judge(rows[0], row, clock.now());
}

function judge(job: Job | undefined, row: DeploymentRecord, nowMs: number): BuildEnd | null {
  if (!job || job.state === "abandoned") return { kind: "lost" };
  if (job.state === "claimed" && job.lease_until !== null && job.lease_until.getTime() < nowMs) return { kind: "lost" };
  if (job.state === "failed") return { kind: "failed", message: job.outcome?.message ?? "The build failed.", ...stderrOf(job) };
  if (job.state !== "succeeded") return null;
  if (!row.workerVersionId) return { kind: "no-worker", message: "Indexing finished without registering a worker", ...stderrOf(job) };
  if (!row.releaseDigest) return { kind: "failed", message: "The build ended without storing a release.", ...stderrOf(job) };
  return { kind: "built" };
}

function stderrOf(job: Job): { stderr?: string } {
  return job.outcome?.stderr ? { stderr: job.outcome.stderr } : {};
}

function abandon(run: DeploymentRun, attempt: number): Promise<void> {
  const { pool, clock, events } = run.deps;
  return guarded(pool, run, async (tx) => {
    await tx.query(ABANDON_SQL, [run.deploymentId, attempt, new Date(clock.now())]);
    const body = attempt < BUILD_ATTEMPTS ? `The builder was lost; retrying build (attempt ${attempt + 1}).` : "The builder was lost.";
    await events.append(tx, run.deploymentId, [{ step: "building", level: "warn", body }]);
  });
}

function keepBuilt(run: DeploymentRun): Promise<void> {
  return guarded(run.deps.pool, run, async (tx, row) => {
    throwIfStopped(row);
    await tx.query(BUILT_SQL, [row.id, new Date(run.deps.clock.now())]);
  });
}

/** An open job that is abandoned is what stops its builder: its next heartbeat says so. The worker's row stays. */
async function discard(run: DeploymentRun): Promise<void> {
  const { pool, clock, buildOutput } = run.deps;
  await guarded(pool, run, async (tx) => {
    await tx.query(ABANDON_SQL, [run.deploymentId, null, new Date(clock.now())]);
  });
  await buildOutput.discard(run.deploymentId);
}
