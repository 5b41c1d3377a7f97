/** Spreads the replicas of a region over its agents. */

/** Versions that the region keeps, those that get slots first at the front. */
export type WantedReplicas = { deploymentId: string; replicas: number };
export type Runner = { id: string; slots: number };
export type Assignment = { deploymentId: string; agentId: string; replicas: number };

/**
 * What is assigned already stays where it is while its agent is here and has the slots; what is missing goes to the agent
 * with the fewest replicas of that version, then the most free slots. When slots run out the last versions get less, or none.
 */
export function assignReplicas(
  wanted: readonly WantedReplicas[],
  runners: readonly Runner[],
  existing: readonly Assignment[]
): Assignment[] {
  const free = new Map(runners.map((runner) => [runner.id, runner.slots]));
  return wanted.flatMap(({ deploymentId, replicas }) => {
    const placed = keep(
      replicas,
      free,
      existing.filter((one) => one.deploymentId === deploymentId)
    );
    for (let missing = replicas - sum(placed); missing > 0; missing--) {
      const target = emptiest(free, placed);
      if (target === null) break;
      put(placed, free, target);
    }
    return [...placed].map(([agentId, count]) => ({ deploymentId, agentId, replicas: count }));
  });
}

function keep(replicas: number, free: Map<string, number>, existing: readonly Assignment[]): Map<string, number> {
  const placed = new Map<string, number>();
  for (const { agentId, replicas: held } of [...existing].sort((a, b) => (a.agentId < b.agentId ? -1 : 1))) {
    for (let i = 0; i < held && sum(placed) < replicas && (free.get(agentId) ?? 0) > 0; i++) put(placed, free, agentId);
  }
  return placed;
}

function put(placed: Map<string, number>, free: Map<string, number>, agentId: string): void {
  placed.set(agentId, (placed.get(agentId) ?? 0) + 1);
  free.set(agentId, (free.get(agentId) ?? 0) - 1);
}

function emptiest(free: ReadonlyMap<string, number>, placed: ReadonlyMap<string, number>): string | null {
  const candidates = [...free].filter(([, slots]) => slots > 0);
  candidates.sort(([a, freeA], [b, freeB]) => (placed.get(a) ?? 0) - (placed.get(b) ?? 0) || freeB - freeA || (a < b ? -1 : 1));
  return candidates[0]?.[0] ?? null;
}

function sum(placed: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of placed.values()) total += count;
  return total;
}
