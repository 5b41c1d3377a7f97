/**
 * Regions: places where agents run releases as processes. Desired state goes to agents, reports come back, and replicas
 * are spread over whoever is there.
 */
import type { ChangesAnswer, ConnectAnswer, DesiredDeployment, DesiredState, Report, ReportAnswer } from "../../../agent/protocol";
import type { AgentCaller } from "../../auth/types";
import type { EnvironmentDirectory, EnvironmentView } from "../../environments/types";
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import type { Logger } from "../../platform/logger";
import type { Loop } from "../../platform/loop";
import type { DeploymentFeed, Queryable, Workflow } from "../ports";
import type { RegionHealth } from "../readiness";
import { Agents } from "./agents.server";
import { AgentTokens } from "./agentTokens.server";
import { DesiredStateService } from "./desiredState.server";
import { PlanRegionService } from "./planRegion.server";
import { RegionChanges, type HeldChanges } from "./regionChanges.server";
import { RegionDirectory } from "./regionDirectory.server";
import { readRegionHealth } from "./regionHealth.server";
import { RegionWatch } from "./regionWatch.server";
import { ReportInstancesService } from "./reportInstances.server";

export type RegionsOptions = {
  pool: Pool;
  clock: Clock;
  log: Logger;
  feed: Pick<DeploymentFeed, "onTopology">;
  workflow: Pick<Workflow, "signal">;
  directory: Pick<EnvironmentDirectory, "byId">;
  /** Of parked replicas: the one that a task without a wish of its own gets. */
  machine: DesiredDeployment["machine"];
  /** Where the processes of an environment send their telemetry; carries a token. */
  otlpEndpoint(env: EnvironmentView): string;
  /** Moves queued runs that named no region out of one that has had no agent for a minute. */
  moveQueuedRuns(move: { from: string; to: readonly string[] }): Promise<number>;
};

export type Regions = {
  /** Regions and their agents, for people; and new regions. */
  directory: RegionDirectory;
  tokens: AgentTokens;
  /** An agent introduces itself; again after every start. */
  connect(caller: AgentCaller, metadata: Record<string, unknown>): Promise<ConnectAnswer>;
  /** The agent is alive. Throws 404 before it has connected. */
  heartbeat(caller: AgentCaller): Promise<void>;
  /** Id of the agent that calls, for whoever hands work to agents (builds). Counts as a heartbeat. */
  agentId(caller: AgentCaller): Promise<string>;
  desired(caller: AgentCaller): Promise<DesiredState>;
  deployment(caller: AgentCaller, deployment: string): Promise<DesiredDeployment>;
  changes(request: HeldChanges): Promise<ChangesAnswer>;
  report(caller: AgentCaller, report: Report): Promise<ReportAnswer>;
  /** Of every target region of a deployment, by name; `db` may be the transaction that decides on it. */
  health(deploymentId: string, db?: Queryable): Promise<RegionHealth[]>;
  /** For tests that drive it by `runOnce`. */
  loop: Loop;
  start(): void;
  /** Answers held calls; later ones are answered at once. */
  drain(): void;
  stop(): Promise<void>;
};

/** Builds the part; nothing runs before `start`. */
export function createRegions(options: RegionsOptions): Regions {
  const { pool, clock, log, feed, workflow, directory, machine } = options;
  const agents = new Agents({ pool, clock, workflow });
  const plan = new PlanRegionService({ pool, clock });
  const desired = new DesiredStateService({ pool, agents, plan, directory, machine, otlpEndpoint: (env) => options.otlpEndpoint(env) });
  const changes = new RegionChanges({ pool, feed });
  const reports = new ReportInstancesService({ pool, clock, agents, workflow });
  const watch = new RegionWatch({ pool, clock, log, plan, moveQueuedRuns: (move) => options.moveQueuedRuns(move) });
  return {
    directory: new RegionDirectory({ pool, clock }),
    tokens: new AgentTokens({ pool, clock }),
    connect: (caller, metadata) => agents.connect(caller, metadata),
    heartbeat: async (caller) => void (await agents.seen(caller)),
    agentId: (caller) => agents.seen(caller),
    desired: (caller) => desired.call(caller),
    deployment: (caller, deployment) => desired.one(caller, deployment),
    changes: async (request) => {
      await agents.seen(request.caller);
      return changes.call(request);
    },
    report: (caller, report) => reports.call(caller, report),
    health: (deploymentId, db = pool) => readRegionHealth(db, clock, deploymentId),
    loop: watch.loop,
    start: () => watch.loop.start(),
    drain: () => changes.stop(),
    stop: async () => {
      changes.stop();
      await watch.loop.stop();
    },
  };
}
