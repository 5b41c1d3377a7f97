/** The one schema for replica counts: used by the settings API, when a deployment starts, and by the agent. */
import { z } from "zod";

const MIN_REPLICAS = 1;
/** Most replicas of one version in one region; the tables check the same number. */
const MAX_REPLICAS = 20;

/** Replicas of each region of an environment. Every violation is reported, each naming its region and value. */
export const regionReplicasSchema = z
  .array(z.object({ region: z.string().min(1).max(63), replicas: z.unknown() }))
  .min(1, "No regions configured. Add at least one region before deploying.")
  .transform((rows, context) =>
    rows.map((row) => {
      if (!isReplicaCount(row.replicas))
        context.addIssue({ code: "custom", path: [row.region], message: replicaText(row.region, row.replicas) });
      return { region: row.region, replicas: Number(row.replicas) };
    })
  );

/** Replica counts that passed. */

/** All violations, one sentence each, in the order of the rows; empty when the rows are fine. */
export function replicaViolations(rows: readonly { region: string; replicas?: unknown }[]): string[] {
  const parsed = regionReplicasSchema.safeParse(rows.map((row) => ({ region: row.region, replicas: row.replicas })));
  return parsed.success ? [] : parsed.error.issues.map((issue) => issue.message);
}

/** Target regions in byte order of their names: the order must not depend on how they were inserted, replays compare it. */
export function sortRegions<T extends { region: string }>(rows: readonly T[]): T[] {
  return [...rows].sort((a, b) => Buffer.compare(Buffer.from(a.region), Buffer.from(b.region)));
}

function isReplicaCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= MIN_REPLICAS && value <= MAX_REPLICAS;
}

function replicaText(region: string, value: unknown): string {
  const got = value === undefined ? "nothing" : typeof value === "string" ? JSON.stringify(value) : String(value);
  return `Region "${region}": replicas must be a whole number between ${MIN_REPLICAS} and ${MAX_REPLICAS} (got ${got}).`;
}
