/** The durable workflow of deployments: started and signalled by any process, run by the one that is the deployer. */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import type { Logger } from "../../platform/logger";
import type { Loop } from "../../platform/loop";
import { STEP_DEADLINES_MS, type Step } from "../phases";
import type { DeploymentEvents, DeploymentFeed, Workflow } from "../ports";
import { renewSlots } from "./buildSlots.server";
import { Deployer, type DeployerTiming } from "./deployer/deployer.server";
import type { StepDeps } from "./deploymentRun";
import { deployWorkflow } from "./deployWorkflow";
import { DbosEngine } from "./engine/dbosEngine.server";
import { createDeployerPool } from "./engine/deployerPool.server";
import { JobRunner } from "./deployer/jobs.server";
import { DeployerLease } from "./deployer/lease.server";
import type { AutoPromotion, BuildInput, BuildOutput, ExtraSweep, JobHandlers } from "./ports";
import { Sweeps } from "./deployer/sweeps.server";

export type WorkflowPorts = {
  promotion: AutoPromotion;
  buildInput: BuildInput;
  buildOutput: BuildOutput;
  jobs: JobHandlers;
  sweeps: readonly ExtraSweep[];
};

export type DeploymentWorkflowOptions = {
  /** Of the control-plane database; for what is asked on behalf of requests, and for the lease, which must never wait. */
  pool: Pool;
  /** For the deployer's own connections, some of which listen: no transaction pooler in between. */
  directDatabaseUrl: string;
  events: DeploymentEvents;
  feed: Pick<DeploymentFeed, "onAnyDeployment">;
  clock: Clock;
  log: Logger;
  ports: WorkflowPorts;
  timing: DeployerTiming;
  deadlinesMs?: Record<Step, number>;
};

export type DeploymentWorkflow = Workflow & {
  /** Follow-ups were committed in this process: run them now. */
  jobsAdded(): void;
  /** The epoch that this process holds as the deployer, or null. */
  epoch(): number | null;
  /** For tests that drive them by `runOnce`. */
  readonly loops: { deployer: Loop; jobs: Loop; sweeps: Loop };
  /** Begins to be a candidate for the deployer. Not called `start`: that name is the port's, and starts a workflow. */
  startLoops(): Promise<void>;
  /** Leaves workflows where they are; another process, or the next start, goes on with them. */
  stopLoops(): Promise<void>;
};

const ACTIVE_SLOTS_SQL = "SELECT deployment_id FROM build_slot WHERE state = 'active'";
const HOLDER_BYTES = 6;
/** Transactions of deployments that are under way at once; the next ones wait for these, and for nothing else. */
const STEP_CONNECTIONS = 10;

/** Tells whoever looks into the table which process is the deployer; the last part is never the same twice. */
function holderName(): string {
  return `${hostname()}:${process.pid}:${randomBytes(HOLDER_BYTES).toString("hex")}`;
}

/** Builds the part; connects to nothing before it is used. */
export function createDeploymentWorkflow(options: DeploymentWorkflowOptions): DeploymentWorkflow {
  const { pool, clock, log, events, ports, timing } = options;
  const deadlinesMs = options.deadlinesMs ?? STEP_DEADLINES_MS;
  const engine = new DbosEngine(options);
  const workflow: Workflow = {
    start: (tx, id) => engine.startOnce(tx, id),
    signal: (db, id, topic) => engine.signal(db, id, topic),
  };
  const jobs = new JobRunner({ pool, clock, log, handlers: ports.jobs });
  const jobsAdded = () => jobs.loop.nudge();
  const { promotion, buildInput, buildOutput } = ports;
  const stepDeps: Omit<StepDeps, "pool"> = { clock, events, workflow, promotion, buildInput, buildOutput, jobsAdded, deadlinesMs };
  let stepPool: Pool | undefined;
  const stepConnections = () => {
    const { directDatabaseUrl } = options;
    return (stepPool ??= createDeployerPool({ directDatabaseUrl, max: STEP_CONNECTIONS, name: "sluice-deployments", log }));
  };
  const deployer = new Deployer({
    lease: new DeployerLease({ pool, holder: holderName(), leaseMs: timing.leaseMs }),
    ...{ engine, timing, log },
    body: (epoch) => (durable) => deployWorkflow(durable, { ...stepDeps, pool: stepConnections() }, epoch),
    onLaunch: () => keepSlots(pool, clock),
  });
  const sweeps = new Sweeps({ pool, clock, log, events, workflow, deployer, deadlinesMs, extra: ports.sweeps });
  let unsubscribe: (() => void) | undefined;
  return {
    ...workflow,
    jobsAdded,
    epoch: () => deployer.epoch(),
    loops: { deployer: deployer.loop, jobs: jobs.loop, sweeps: sweeps.loop },
    startLoops: async () => {
      await engine.prepare();
      unsubscribe ??= options.feed.onAnyDeployment(() => deployer.nudge());
      deployer.start();
      jobs.loop.start();
      sweeps.loop.start();
    },
    stopLoops: async () => {
      unsubscribe?.();
      unsubscribe = undefined;
      await Promise.all([sweeps.loop.stop(), jobs.loop.stop()]);
      await deployer.stop();
      await stepPool?.end();
      stepPool = undefined;
    },
  };
}

/** Slots that were held when the last deployer died are held still: their workflows are about to go on. */
async function keepSlots(pool: Pool, clock: Clock): Promise<void> {
  const { rows } = await pool.query<{ deployment_id: string }>(ACTIVE_SLOTS_SQL);
  await renewSlots(
    pool,
    rows.map((row) => row.deployment_id),
    clock.now()
  );
}
