/** deploying: replicas are wanted in every target region, and enough regions have to prove that they run. */
import { deploymentById } from "../../rows/deploymentRows.server";
import { judgeReadiness, readinessTimeoutText } from "../../readiness";
import { readRegionHealth } from "../../regions/regionHealth.server";
import { readDeploySettings } from "../../settings.server";
import type { DeploySettings } from "../../ports";
import type { DeploymentRun } from "../deploymentRun";
import { DeployError } from "../errors";
import { guarded } from "../guard.server";
import { throwIfStopped } from "../stepRecords.server";
import type { Target } from "../targets";
import { startTopology, stopTopology } from "../topology.server";
import type { OpenStep, StepDefinition } from "../withStep";

const PLACE_SQL = 'SELECT e.id, e.parent_id AS "parentId" FROM environment e JOIN deployment d ON d.environment_id = e.id WHERE d.id = $1';

export function deployingStep(targets: readonly Target[]): StepDefinition<{ healthy: number }> {
  return {
    step: "deploying",
    prepare: (run) => run.undo.push({ name: "topology", done: "Stopped the replicas in every region.", run: () => stopAll(run) }),
    work: async (run, open) => {
      const rule = await run.durable.step("deploying.start", () => startAll(run, targets));
      const seen = await run.durable.waitFor("deploying.health", open.deadlineMs, () => look(run, rule));
      if (seen?.kind === "ready") return { healthy: seen.healthy };
      if (seen) throw new DeployError("regions_unhealthy", seen.text);
      const text = await run.durable.step("deploying.timeout", () => timeoutText(run, rule, open));
      throw new DeployError("timed_out", text);
    },
  };
}

type Rule = DeploySettings["readiness"];

function startAll(run: DeploymentRun, targets: readonly Target[]): Promise<Rule> {
  const { pool, clock, events } = run.deps;
  return guarded(pool, run, async (tx, row) => {
    throwIfStopped(row);
    await startTopology(tx, row.id, { targets, nowMs: clock.now() });
    const body = `Starting in ${targets.map((target) => `${target.region} (${target.replicas})`).join(", ")}.`;
    await events.append(tx, row.id, [{ step: "deploying", level: "info", body }]);
    const { rows } = await tx.query<{ id: string; parentId: string | null }>(PLACE_SQL, [row.id]);
    if (!rows[0]) throw new Error("The environment of the deployment is gone.");
    return (await readDeploySettings(tx, rows[0])).readiness;
  });
}

/** Null while regions may still become healthy. Reads only. */
async function look({ deploymentId, deps: { pool, clock } }: DeploymentRun, rule: Rule) {
  const row = await deploymentById(pool, deploymentId);
  if (!row) throw new DeployError("ended", "The deployment was deleted.");
  throwIfStopped(row);
  const judged = judgeReadiness(rule, await readRegionHealth(pool, clock, deploymentId));
  return judged.kind === "waiting" ? null : judged;
}

async function timeoutText({ deploymentId, deps: { pool, clock } }: DeploymentRun, rule: Rule, open: OpenStep): Promise<string> {
  const minutes = Math.max(1, Math.round((open.deadlineMs - open.startedAtMs) / 60_000));
  return readinessTimeoutText(rule, await readRegionHealth(pool, clock, deploymentId), minutes);
}

function stopAll(run: DeploymentRun): Promise<void> {
  return guarded(run.deps.pool, run, (tx) => stopTopology(tx, run.deploymentId, run.deps.clock.now()));
}
