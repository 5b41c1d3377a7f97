/** starting: everything that can be known to be wrong is said before anything is built. */
import { deploymentById } from "../../rows/deploymentRows.server";
import { loadScript } from "../../../platform/scripts.server";
import type { DeploymentRun } from "../deploymentRun";
import { DeployError } from "../errors";
import { guarded } from "../guard.server";
import type { BuildInput } from "../ports";
import { throwIfStopped } from "../stepRecords.server";
import { decideTargets, type RegionRow, type Target, type TargetDecision } from "../targets";
import type { OpenStep, StepDefinition } from "../withStep";

const REGIONS_SQL = loadScript("deployments/workflow/sql/target-regions.sql");
const DEFAULT_REGION_SQL = "SELECT default_region AS region FROM project WHERE id = $1";
/** Of projects that chose none. */
const DEFAULT_REGION = "local";
const ARCHIVED_SQL = "SELECT archived_at FROM environment WHERE id = $1";
/** An agent that was heard of within this time will take the version. */
const HEARD_WITHIN_MS = 60_000;

export const startingStep: StepDefinition<Target[]> = {
  step: "starting",
  work: async (run, open) => {
    await run.durable.step("starting.input", () => checkInput(run, run.deps.buildInput));
    const decision = await decide(run, open);
    if (decision.kind !== "targets") throw new DeployError("invalid_configuration", decision.violations.join("\n"));
    if (decision.warnings.length > 0) await run.durable.step("starting.warn", () => warn(run, decision.warnings));
    return decision.targets;
  },
};

/** Waits for agents that have not reported yet, such as the local one of a server that has just started. */
async function decide(run: DeploymentRun, open: OpenStep): Promise<TargetDecision> {
  const settled = await run.durable.waitFor("starting.regions", open.deadlineMs, async () => {
    const decision = await readDecision(run);
    return decision.kind === "wait" ? null : decision;
  });
  return settled ?? run.durable.step("starting.silent", () => readDecision(run));
}

async function readDecision({ deploymentId, deps: { pool, clock } }: DeploymentRun): Promise<TargetDecision> {
  const row = await deploymentById(pool, deploymentId);
  if (!row) throw new DeployError("ended", "The deployment was deleted.");
  throwIfStopped(row);
  const { rows } = await pool.query<RegionRow>(REGIONS_SQL, [row.environmentId, new Date(clock.now() - HEARD_WITHIN_MS)]);
  const { rows: places } = await pool.query<{ region: string | null }>(DEFAULT_REGION_SQL, [row.projectId]);
  return decideTargets(rows, { runtime: row.runtime, defaultRegion: places[0]?.region ?? DEFAULT_REGION });
}

async function checkInput({ deploymentId, deps: { pool } }: DeploymentRun, input: BuildInput): Promise<void> {
  const row = await deploymentById(pool, deploymentId);
  if (!row) throw new DeployError("ended", "The deployment was deleted.");
  const { rows } = await pool.query<{ archived_at: Date | null }>(ARCHIVED_SQL, [row.environmentId]);
  if (rows[0]?.archived_at !== null) throw new DeployError("invalid_configuration", "The environment was archived or deleted.");
  const key = row.bundleKey ?? row.artifactKey;
  const wrong = key === null ? null : await input.verify(key);
  if (wrong) throw new DeployError("invalid_configuration", wrong);
}

function warn(run: DeploymentRun, warnings: readonly string[]): Promise<void> {
  const lines = warnings.map((body) => ({ step: "starting" as const, level: "warn" as const, body }));
  return guarded(run.deps.pool, run, (tx) => run.deps.events.append(tx, run.deploymentId, lines));
}
