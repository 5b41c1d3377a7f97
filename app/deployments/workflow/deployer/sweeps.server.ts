/**
 * What the deployer repairs every 30 s: deployments that nobody drives any more, and rows that an end left behind. Each
 * statement finds nothing in a healthy system.
 */
import type { Clock } from "../../../platform/clock";
import { inTransaction, type Pool } from "../../../platform/db.server";
import { errorMessage, type Logger } from "../../../platform/logger";
import { defineLoop, type Loop } from "../../../platform/loop";
import { loadScript } from "../../../platform/scripts.server";
import { endDeployment } from "../../rows/endDeployment.server";
import { STEPS, type Phase, type Step } from "../../phases";
import type { DeploymentEvents, Workflow } from "../../ports";
import { renewSlots, repairSlots } from "../buildSlots.server";
import type { Deployer } from "./deployer.server";
import type { EngineSession } from "../engine/engine";
import { guardedRow } from "../guard.server";
import type { ExtraSweep } from "../ports";
import { whyNot } from "../stepRecords.server";

const OVERDUE_SQL = loadScript("deployments/workflow/deployer/sql/overdue.sql");
const STEPS_SQL = loadScript("deployments/workflow/deployer/sql/repair-steps.sql");
const TOPOLOGY_SQL = loadScript("deployments/workflow/deployer/sql/repair-topology.sql");
const BUILDS_SQL = loadScript("deployments/workflow/deployer/sql/repair-builds.sql");
const DRIVEN_SQL =
  "SELECT id FROM deployment WHERE phase NOT IN ('ready', 'stopped', 'failed', 'cancelled', 'superseded', 'skipped') AND phase <> 'awaiting_approval'";

const EVERY_MS = 30_000;
/** The workflow ends its steps itself; this long after their deadline it is known not to. */
const GRACE_MS = 60_000;
/** Workflows that have ended are kept this long. */
const KEEP_MS = 30 * 86_400_000;

export type SweepDeps = {
  pool: Pool;
  clock: Clock;
  log: Logger;
  events: DeploymentEvents;
  workflow: Workflow;
  deployer: Pick<Deployer, "epoch" | "leadership">;
  deadlinesMs: Record<Step, number>;
  extra: readonly ExtraSweep[];
};

export class Sweeps {
  readonly loop: Loop;
  /** Seen without a process that runs them in the pass before: those that were only about to be picked up are not. */
  private orphans = new Set<string>();

  constructor(private readonly deps: SweepDeps) {
    this.loop = defineLoop({ name: "deployment_sweeps", everyMs: EVERY_MS, log: deps.log, run: () => this.pass() });
  }

  private async pass(): Promise<void> {
    const epoch = this.deps.deployer.epoch();
    if (epoch === null) return;
    const { pool, clock, extra } = this.deps;
    const now = () => new Date(clock.now());
    const sweeps: ExtraSweep[] = [
      { name: "orphans", run: () => this.orphaned() },
      { name: "deadlines", run: () => this.overdue(epoch) },
      { name: "steps", run: async () => void (await pool.query(STEPS_SQL, [now()])) },
      { name: "topology", run: async () => void (await pool.query(TOPOLOGY_SQL, [now()])) },
      { name: "builds", run: async () => void (await pool.query(BUILDS_SQL, [now()])) },
      { name: "slots", run: () => this.slots() },
      ...extra,
    ];
    for (const sweep of sweeps) await this.one(sweep);
  }

  /** One that fails does not keep the others from their work. */
  private async one({ name, run }: ExtraSweep): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.deps.log.error("deployment_sweep.failed", { sweep: name, message: errorMessage(error) });
    }
  }

  /** Deployments on their way that no workflow drives: begun again, picked up, or ended when their workflow gave up. */
  private async orphaned(): Promise<void> {
    const leadership = this.deps.deployer.leadership();
    if (!leadership) return;
    const { session, epoch } = leadership;
    const { rows } = await this.deps.pool.query<{ id: string }>(DRIVEN_SQL);
    const idle = rows.map((row) => row.id).filter((id) => !session.running.has(id));
    for (const id of idle.filter((id) => this.orphans.has(id))) await this.adopt(session, epoch, id);
    this.orphans = new Set(idle);
    await session.forget(new Date(this.deps.clock.now() - KEEP_MS));
  }

  private async adopt(session: EngineSession, epoch: number, id: string): Promise<void> {
    const state = await session.state(id);
    this.deps.log.warn("deployment_sweep.orphan", { deploymentId: id, workflow: state });
    if (state === "waiting") await session.resume(id);
    else if (state === "missing") await inTransaction(this.deps.pool, (tx) => this.deps.workflow.start(tx, id));
    else await this.end(epoch, id, { message: "The deployment's workflow ended without a result.", code: "internal" });
  }

  private async overdue(epoch: number): Promise<void> {
    const { pool, clock, deadlinesMs } = this.deps;
    const limits = STEPS.map((step) => deadlinesMs[step] + GRACE_MS);
    const { rows } = await pool.query<{ id: string; phase: Phase; minutes: number }>(OVERDUE_SQL, [
      new Date(clock.now()),
      [...STEPS],
      limits,
    ]);
    for (const { id, phase, minutes } of rows) {
      await this.end(epoch, id, { message: `The step ${phase} did not end within ${minutes} minutes.`, code: "timed_out", armed: phase });
    }
  }

  /** Only from the phase that was seen: one that went on meanwhile is none of a sweep's business. */
  private async end(epoch: number, deploymentId: string, end: { message: string; code: string; armed?: Phase }): Promise<void> {
    const { pool, clock, events, workflow } = this.deps;
    await inTransaction(pool, async (tx) => {
      const row = await guardedRow(tx, { deploymentId, epoch });
      if (whyNot(row)?.kind === "done" || (end.armed && row.phase !== end.armed)) return;
      await endDeployment(
        tx,
        { events, workflow },
        {
          ...{ deploymentId, phase: "failed", message: end.message, code: end.code, timedOut: end.code === "timed_out" },
          errorData: { name: "DeployError", message: end.message },
          nowMs: clock.now(),
        }
      );
    });
  }

  private async slots(): Promise<void> {
    const { pool, clock, workflow, deployer } = this.deps;
    const running = deployer.leadership()?.session.running ?? new Set<string>();
    await renewSlots(pool, [...running], clock.now());
    await repairSlots(pool, { workflow }, clock.now());
  }
}
