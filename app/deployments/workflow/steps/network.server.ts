/**
 * network: runs locked to this version may be sent to the regions that hold it. Names such as "newest ready of the
 * environment" are read from the deployments' rows when they are asked for, so nothing has to be moved here for them.
 */
import type { DeploymentRun } from "../deploymentRun";
import { guarded } from "../guard.server";
import { throwIfStopped } from "../stepRecords.server";
import type { Target } from "../targets";
import type { StepDefinition } from "../withStep";

const ROUTE_SQL = "INSERT INTO version_route (deployment_id, region_id) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING";
const UNROUTE_SQL = "DELETE FROM version_route WHERE deployment_id = $1";

export function networkStep(targets: readonly Target[]): StepDefinition<null> {
  return {
    step: "network",
    prepare: (run) => run.undo.push({ name: "routes", done: "Removed the routes to this version.", run: () => unroute(run) }),
    work: async (run) => {
      await run.durable.step("network.route", () => route(run, targets));
      return null;
    },
  };
}

function route(run: DeploymentRun, targets: readonly Target[]): Promise<void> {
  return guarded(run.deps.pool, run, async (tx, row) => {
    throwIfStopped(row);
    await tx.query(ROUTE_SQL, [row.id, targets.map((target) => target.regionId)]);
  });
}

function unroute(run: DeploymentRun): Promise<void> {
  return guarded(run.deps.pool, run, async (tx) => {
    await tx.query(UNROUTE_SQL, [run.deploymentId]);
  });
}
