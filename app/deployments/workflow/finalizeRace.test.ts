/** Cancel against the last step: the environment's lock decides, and there is nothing in between. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { createWorkflowFixture, type WorkflowFixture } from "../../../test/workflowFixture";
import type { TestWorkflow } from "../../../test/support/deploymentWorkflow";
import { createAuditLog } from "../audit.server";
import { STEP_DEADLINES_MS } from "../phases";
import { ChangeCurrentDeploymentService } from "../promotion/changeCurrentDeployment.server";
import { systemClock as clock } from "../../platform/clock";
import { mintId } from "../../utils/ids";
import { Compensations } from "./compensations";
import type { DeploymentRun } from "./deploymentRun";
import { finalizingStep } from "./steps/finalizing.server";
import { withStep } from "./withStep";

let f: WorkflowFixture;
let w: TestWorkflow;
beforeAll(async () => {
  f = await createWorkflowFixture();
  w = await f.startWorkflow();
});
afterAll(() => f.close());

const RACES = 200;

function runOf(deploymentId: string, epoch: number): DeploymentRun {
  const { pool, events } = f;
  return {
    ...{ deploymentId, epoch, undo: new Compensations() },
    durable: { id: deploymentId, step: (_name, work) => work(), waitFor: (_name, _deadline, check) => check() },
    deps: {
      ...{ pool, clock, events, deadlinesMs: STEP_DEADLINES_MS, jobsAdded: () => undefined },
      workflow: { signal: f.engine.signal.bind(f.engine) },
      promotion: new ChangeCurrentDeploymentService({ pool, clock, audit: createAuditLog({ clock }), wake: () => Promise.resolve(false) }),
      buildInput: { verify: () => Promise.resolve(null) },
      buildOutput: { discard: () => Promise.resolve() },
    },
  };
}

it(`65, matrix 22: ${RACES} cancels race the last step: never cancelled and current`, { timeout: 120_000 }, async () => {
  // One goes the whole way, so that the epoch and the tables are there.
  const first = await f.deploy();
  await f.untilEnded(first.id);
  const epoch = w.workflow.epoch() ?? 0;
  const env = f.tenant.staging;
  const ends = { ready: 0, cancelled: 0 };
  // Follows the machine: around the delay at which either may win.
  let delayMs = 5;
  for (let n = 0; n < RACES; n += 1) {
    const id = await deploymentInNetwork(n);
    const finalize = withStep(runOf(id, epoch), finalizingStep).then(
      () => "ready" as const,
      () => "refused" as const
    );
    const cancel = new Promise((resolve) => setTimeout(resolve, Math.random() * 2 * delayMs))
      .then(() => f.cancel(id, env))
      .then(
        () => "cancelled" as const,
        () => "too late" as const
      );
    const outcome = [await finalize, await cancel].join(", ");
    expect(["ready, too late", "refused, cancelled"]).toContain(outcome);
    const { rows } = await f.pool.query<{ phase: string; current: boolean }>(
      "SELECT d.phase, EXISTS (SELECT 1 FROM deployment_promotion p WHERE p.deployment_id = d.id) AS current FROM deployment d WHERE id = $1",
      [id]
    );
    const cancelled = outcome.endsWith("cancelled");
    expect(rows[0]).toEqual(cancelled ? { phase: "cancelled", current: false } : { phase: "ready", current: true });
    ends[cancelled ? "cancelled" : "ready"] += 1;
    delayMs = Math.max(0.5, delayMs * (cancelled ? 1.3 : 0.77));
  }
  expect(Math.min(ends.ready, ends.cancelled)).toBeGreaterThan(0);
});

/** Built and routed, about to be finalized. */
async function deploymentInNetwork(n: number): Promise<string> {
  const { id, project } = f.tenant.staging;
  const key = mintId(Date.now());
  await f.pool.query("INSERT INTO release (digest, platform, node_abi, bytes, location) VALUES ($1, 'linux', '115', 1, 'x')", [key]);
  await f.pool.query(
    "INSERT INTO worker_version (id, environment_id, version, content_hash, sdk_version, cli_version, metadata) VALUES ($1, $2, $3, 'h', '4.8.3', '4.8.3', '{}')",
    [key, id, `20300101.${n + 1}`]
  );
  await f.pool.query(
    "INSERT INTO deployment (id, project_id, environment_id, short_code, version, content_hash, phase, status, worker_version_id, release_digest, leader_epoch) VALUES ($1, $2, $3, $1, $4, 'h', 'network', 'DEPLOYING', $1, $1, 0)",
    [key, project.id, id, `20300101.${n + 1}`]
  );
  return key;
}
