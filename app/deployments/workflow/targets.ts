/** Which regions a deployment goes to: a pure function of what the rows say. */
import { replicaViolations, sortRegions } from "../replicas";

export type RegionRow = {
  region: string;
  /** Null: a setting names a region that does not exist. */
  regionId: string | null;
  /** As stored or sent; judged here. */
  replicas: unknown;
  canSchedule: boolean;
  /** Agents that report and run tasks. */
  agents: { platform: string | null; packages: string[] }[];
};

/** Kept in the journal and in the step's row, and used by every later step. */
export type Target = { region: string; regionId: string; replicas: number };

export type TargetDecision =
  /** `warnings`: regions that were left out, one sentence each. */
  | { kind: "targets"; targets: Target[]; warnings: string[] }
  /** May pass by itself: no agent has reported yet. */
  | { kind: "wait"; violations: string[] }
  | { kind: "refuse"; violations: string[] };

export const NO_REGIONS = "No regions configured. Add at least one region before deploying.";

export type TargetRules = {
  /** Of the deployment, such as `node-22` or `bun`. */
  runtime: string | null;
  /** Where runs go that name no region; a version that is not there would leave them waiting. */
  defaultRegion: string;
};

/** All violations at once. Regions in byte order of their names, whatever order the rows have. */
export function decideTargets(rows: readonly RegionRow[], { runtime, defaultRegion }: TargetRules): TargetDecision {
  const sorted = sortRegions(rows);
  const warnings = sorted
    .filter((row) => !row.canSchedule)
    .map((row) => `Region "${row.region}" takes no new deployments; it was left out.`);
  const used = sorted.filter((row) => row.canSchedule);
  if (used.length === 0) return { kind: "refuse", violations: [NO_REGIONS] };
  const lasting = [
    ...replicaViolations(used),
    ...used.filter((row) => row.regionId === null).map((row) => `Region "${row.region}" does not exist.`),
    ...used.flatMap((row) => runtimeViolation(row, runtime)),
    ...defaultViolation(used, defaultRegion),
  ];
  const silent = used.filter((row) => row.regionId !== null && row.agents.length === 0);
  const passing = silent.map((row) => `Region "${row.region}": no agent has reported within the last 60 seconds.`);
  if (lasting.length > 0) return { kind: "refuse", violations: [...lasting, ...passing] };
  if (passing.length > 0) return { kind: "wait", violations: passing };
  return { kind: "targets", warnings, targets: used.flatMap(targetOf) };
}

function targetOf({ region, regionId, replicas }: RegionRow): Target[] {
  return regionId === null ? [] : [{ region, regionId, replicas: Number(replicas) }];
}

function defaultViolation(used: readonly RegionRow[], defaultRegion: string): string[] {
  if (used.some((row) => row.region === defaultRegion)) return [];
  return [
    `The default region "${defaultRegion}" is not among the regions of this environment. Add it, or make another region the default.`,
  ];
}

/** Node is what agents run on; Bun has to be installed there. */
function runtimeViolation({ region, agents }: RegionRow, runtime: string | null): string[] {
  if (!runtime?.startsWith("bun") || agents.length === 0) return [];
  const missing = agents.every((agent) => !agent.packages.includes("bun"));
  return missing
    ? [`Region "${region}": runtime "${runtime}" is not available on its agents. Start them with --runtime bun=/path/to/bun.`]
    : [];
}
