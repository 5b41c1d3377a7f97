/** The workflow of deployments as a server builds it, for tests in this process and in child processes. */
import { createAuditLog } from "../../app/deployments/audit.server";
import { createDeploymentEvents } from "../../app/deployments/events.server";
import { createDeploymentFeed } from "../../app/deployments/feed.server";
import { STEP_DEADLINES_MS, type Step } from "../../app/deployments/phases";
import { ChangeCurrentDeploymentService } from "../../app/deployments/promotion/changeCurrentDeployment.server";
import { RELEASE_WAITING_RUNS } from "../../app/deployments/promotion/followUps.server";
import { createDeploymentWorkflow, type DeploymentWorkflow, type WorkflowPorts } from "../../app/deployments/workflow/workflow.server";
import { systemClock, type Clock } from "../../app/platform/clock";
import { createPool, type Pool } from "../../app/platform/db.server";
import { silentLogger, type Logger } from "../../app/platform/logger";

/** A lease short enough that tests see takeovers. */
export const TEST_TIMING = { leaseMs: 1_500, renewMs: 300, idleMs: 1_000 };

export type TestWorkflowOptions = {
  databaseUrl: string;
  clock?: Clock;
  log?: Logger;
  timing?: typeof TEST_TIMING;
  deadlinesMs?: Partial<Record<Step, number>>;
  ports?: Partial<WorkflowPorts>;
  /** Connections for what is not a deployment under way. Default 12. */
  connections?: number;
};

export type TestWorkflow = {
  workflow: DeploymentWorkflow;
  pool: Pool;
  /** Environments whose waiting runs were released. */
  released: string[];
  start(): Promise<void>;
  stop(): Promise<void>;
};

export function createTestWorkflow(options: TestWorkflowOptions): TestWorkflow {
  const { databaseUrl, clock = systemClock, log = silentLogger } = options;
  const pool = createPool({ url: databaseUrl, max: options.connections ?? 12, name: "test-workflow", log });
  const events = createDeploymentEvents({ pool });
  const feed = createDeploymentFeed({ databaseUrl, log });
  const audit = createAuditLog({ clock });
  const released: string[] = [];
  const ports: WorkflowPorts = {
    promotion: new ChangeCurrentDeploymentService({ pool, clock, audit, wake: () => Promise.resolve(false) }),
    buildInput: { verify: () => Promise.resolve(null) },
    buildOutput: { discard: () => Promise.resolve() },
    jobs: { [RELEASE_WAITING_RUNS]: (job) => Promise.resolve(void released.push(job.environmentId)) },
    sweeps: [],
    ...options.ports,
  };
  const workflow = createDeploymentWorkflow({
    ...{ pool, directDatabaseUrl: databaseUrl, events, feed, clock, log, ports },
    timing: options.timing ?? TEST_TIMING,
    deadlinesMs: { ...STEP_DEADLINES_MS, ...options.deadlinesMs },
  });
  return {
    ...{ workflow, pool, released },
    start: async () => {
      await feed.start();
      await workflow.startLoops();
    },
    stop: async () => {
      await workflow.stopLoops();
      await feed.stop();
      await pool.end();
    },
  };
}
