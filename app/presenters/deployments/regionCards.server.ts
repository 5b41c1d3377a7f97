/** Regions and processes of one deployment, as the agents last said. */
import { z } from "zod";
import type { Queryable } from "../../deployments/ports";
import { loadScript } from "../../platform/scripts.server";
import { freshSince } from "./rows.server";
import type { InstanceState, InstanceView, RegionCardView, RegionHealthState } from "./views";

const TOPOLOGY_SQL = loadScript("presenters/deployments/sql/topology.sql");
const INSTANCES_SQL = loadScript("presenters/deployments/sql/instances.sql");
const MOST_INSTANCES = 200;
const TAIL_OF_RUNNER = 4;

const agentShape = z.object({ name: z.string(), isolation: z.string().nullable() });
type TopologyRow = {
  region: string;
  wanted: number;
  status: "running" | "stopped";
  running: number;
  failed: number;
  instances: number;
  agents: unknown;
};
type InstanceRow = {
  runnerId: string;
  region: string;
  agent: string;
  state: InstanceState;
  message: string | null;
  restarts: number;
  lastSeenAt: Date;
};

export type RegionsOfDeployment = { cards: RegionCardView[]; instances: InstanceView[] };

/** Empty before the version was to run anywhere. */
export async function readRegions(db: Queryable, deploymentId: string, nowMs: number): Promise<RegionsOfDeployment> {
  const [topology, instances] = await Promise.all([
    db.query<TopologyRow>(TOPOLOGY_SQL, [deploymentId, freshSince(nowMs)]),
    db.query<InstanceRow>(INSTANCES_SQL, [deploymentId, MOST_INSTANCES]),
  ]);
  return {
    cards: topology.rows.map((row) => cardOf(row, instances.rows)),
    instances: instances.rows.map((row) => ({
      name: `${row.agent}/${shortRunner(row.runnerId)}`,
      region: row.region,
      state: row.state,
      now: row.message,
      restarts: row.restarts,
      seenAt: row.lastSeenAt.getTime(),
    })),
  };
}

function cardOf(row: TopologyRow, instances: readonly InstanceRow[]): RegionCardView {
  const agents = z.array(agentShape).parse(row.agents);
  const state = stateOf(row, agents.length);
  const named = agents.map((agent) => `Agent ${agent.name}${agent.isolation ? `, isolation ${agent.isolation}` : ""}`).join("; ");
  const own = instances.filter((instance) => instance.region === row.region && instance.message !== null);
  const said = own.find((instance) => instance.state === "failed") ?? own[0];
  const note = state === "silent" ? "No agent of this region reports" : [named, said?.message].filter(Boolean).join(". ");
  return { region: row.region, state, running: row.running, desired: row.status === "running" ? row.wanted : 0, note };
}

function stateOf(row: TopologyRow, agents: number): RegionHealthState {
  if (row.status === "stopped") return "stopped";
  if (row.running >= row.wanted) return "healthy";
  if (row.failed > 0 && row.failed + row.running >= row.instances) return "failed";
  return agents === 0 ? "silent" : "starting";
}

/** `r-5kq2`: the end tells the processes of one agent apart. */
function shortRunner(runnerId: string): string {
  return runnerId.length <= 12 ? runnerId : `r-${runnerId.slice(-TAIL_OF_RUNNER)}`;
}
