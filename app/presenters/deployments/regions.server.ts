/** The regions page: agents, what they can do, whether they report, and the tokens by which they join. */
import type { ShownAgent, ShownRegion } from "../../deployments/regions/regionDirectory.server";
import type { App } from "../../wiring.server";

export type AgentView = {
  id: string;
  name: string;
  connected: boolean;
  seenAt: number;
  roles: string;
  isolation: string | null;
  isolationNote: string | null;
  /** "linux x64, Node 22.11.0". */
  machine: string;
  memoryMb: number | null;
  used: number;
  slots: number;
  replicas: number;
};
export type AgentTokenView = { id: string; obfuscated: string; createdAt: number };
export type RegionView = {
  id: string;
  name: string;
  connected: number;
  canSchedule: boolean;
  agents: AgentView[];
  tokens: AgentTokenView[];
  /** Replicas that this environment wants there; null: none. */
  wanted: number | null;
};
export type RegionsView = { asOf: number; envSlug: string; origin: string; regions: RegionView[] };

/** Every region of the installation, by name; `wanted` is of the environment. */
export async function presentRegions(
  app: Pick<App, "regions" | "deployments" | "clock" | "config">,
  env: Parameters<App["deployments"]["regionSettings"]["read"]>[0] & { slug: string }
): Promise<RegionsView> {
  const [regions, choices] = await Promise.all([app.regions.directory.list(), app.deployments.regionSettings.read(env)]);
  const wanted = new Map(choices.map((choice) => [choice.regionId, choice.replicas]));
  const tokens = await Promise.all(regions.map((region) => app.regions.tokens.list(region.id)));
  return {
    asOf: app.clock.now(),
    envSlug: env.slug,
    origin: app.config.origin,
    regions: regions.map((region, i) => ({
      ...pick(region),
      agents: region.agents.map(agentView),
      tokens: (tokens[i] ?? []).map((token) => ({ ...token, createdAt: token.createdAt.getTime() })),
      wanted: wanted.get(region.id) ?? null,
    })),
  };
}

function pick({ id, name, connected, canSchedule }: ShownRegion) {
  return { id, name, connected, canSchedule };
}

function agentView({ id, instanceName, connected, lastSeenAt, capabilities, slots, replicas, instances }: ShownAgent): AgentView {
  const { platform, arch, node, isolation, isolationNote, roles, memoryMb } = capabilities;
  const system = [platform, arch].filter(Boolean).join(" ");
  return {
    id,
    name: instanceName,
    connected,
    seenAt: lastSeenAt.getTime(),
    roles: roles.length === 0 ? "runs only" : roles.join(", "),
    isolation: isolation ?? null,
    isolationNote: isolationNote ?? null,
    machine: [system, node ? `Node ${node.replace(/^v/, "")}` : ""].filter(Boolean).join(", "),
    memoryMb: memoryMb ?? null,
    used: instances,
    slots,
    replicas,
  };
}
