/** `GET /api/v1/deployments/:id/steps`: the six steps in order, as the progress page shows them. */
import { deploymentOf, deploymentParams } from "../api/deployments/deploymentCall.server";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";
import { stepRows } from "../deployments/rows/stepRows";

export const loader = apiLoader({ auth: "environment", params: deploymentParams }, async ({ app, caller, params }) => {
  const deployment = await deploymentOf(app, caller, "read", params.deploymentId);
  const records = await app.deployments.api.reads.steps(deployment.id);
  const steps = stepRows(records, deployment.phase, new Date(app.clock.now()));
  const ends = new Map(records.map((record) => [record.step, record.endedAt]));
  return jsonResponse({
    phase: deployment.phase,
    status: deployment.status,
    steps: steps.map((row) => ({ ...row, endedAt: ends.get(row.step) ?? null })),
  });
});
