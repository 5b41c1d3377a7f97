/** Reads that several deployment pages share. */
import { z } from "zod";
import { STEPS, type Step } from "../../deployments/phases";
import type { Queryable } from "../../deployments/ports";
import { INSTANCE_FRESH_MS } from "../../deployments/readiness";
import { loadScript } from "../../platform/scripts.server";
import type { PointerMove } from "./list/periods";

const POINTER_SQL = loadScript("presenters/deployments/sql/pointer.sql");
const MOVES_SQL = loadScript("presenters/deployments/sql/pointer-moves.sql");
const MEDIANS_SQL = loadScript("presenters/deployments/sql/medians.sql");

/** What the environment runs now; null before the first promotion. */
export type Pointer = {
  currentId: string;
  currentVersion: string;
  currentCode: string;
  isRolledBack: boolean;
  promotedAt: Date;
  leftVersion: string | null;
  leftCode: string | null;
  rolledBackAt: Date | null;
  rolledBackActor: string | null;
  rolledBackBy: string | null;
};

export async function readPointerFacts(db: Queryable, envId: string): Promise<Pointer | null> {
  const { rows } = await db.query<Pointer>(POINTER_SQL, [envId]);
  return rows[0] ?? null;
}

type MoveRow = Omit<PointerMove, "by"> & { fromVersion: string | null; toVersion: string | null; actor: string; by: string | null };
export type NamedMove = PointerMove & { fromVersion: string | null; toVersion: string | null };

/** Moves from or to any of the deployments, oldest first. */
export async function readMoves(db: Queryable, envId: string, ids: readonly string[]): Promise<NamedMove[]> {
  if (ids.length === 0) return [];
  const { rows } = await db.query<MoveRow>(MOVES_SQL, [envId, [...ids]]);
  return rows.map((row) => ({ ...row, by: actorWords(row.actor, row.by) }));
}

/** Who moved a pointer, in a sentence: an email, "a key", "the deployment itself". */
export function actorWords(actor: string | null, email: string | null): string {
  if (email) return email;
  const type = actor?.split(":")[0];
  if (type === "key") return "a secret key";
  return type === "system" ? "the deployment itself" : "someone";
}

/** Milliseconds of each phase that has a history. */
export async function readMedians(db: Queryable, envId: string, olderThanId: string): Promise<Map<Step, number>> {
  const { rows } = await db.query<{ step: Step; ms: number }>(MEDIANS_SQL, [envId, olderThanId]);
  return new Map(rows.map((row) => [row.step, Math.round(Number(row.ms))]));
}

/** Instances that were not reported since then do not count. */
export function freshSince(nowMs: number): Date {
  return new Date(nowMs - INSTANCE_FRESH_MS);
}

export const stepName = z.enum(STEPS);
const listedStep = z.object({
  step: stepName,
  startedAt: z.coerce.date(),
  endedAt: z.coerce.date().nullable(),
  failed: z.boolean(),
  errorSummary: z.string().nullable(),
});
export const listedSteps = z.array(listedStep);
export type ListedStep = z.output<typeof listedStep>;

const listedRegion = z.object({ region: z.string(), wanted: z.number(), running: z.number() });
export const listedRegions = z.array(listedRegion);
export type ListedRegion = z.output<typeof listedRegion>;
