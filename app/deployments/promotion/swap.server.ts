/** Writes of a promotion, a rollback or a confirmation: pointer, history, plans, follow-ups and audit, in the caller's transaction. */
import type { PoolClient } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { forgetPlan, hastenStops, KEEP_NEWER_WARM_MS, planStop, STOP_PREVIOUS_AFTER_MS } from "../lifecycle/plannedStops.server";
import type { Actor, AuditLog, Queryable } from "../ports";
import type { LockedEnvironment } from "./environmentRow.server";
import { enqueueFollowUps } from "./followUps.server";

const READ_SQL = loadScript("deployments/promotion/sql/promotion-read.sql");
const SWAP_SQL = loadScript("deployments/promotion/sql/promotion-swap.sql");
const CONFIRM_SQL = loadScript("deployments/promotion/sql/promotion-confirm.sql");

/** The pointer of an environment. */
export type PromotionPointer = {
  currentId: string;
  currentVersion: string;
  previousId: string | null;
  /** Automatic promotion waits until someone promotes or confirms. */
  isRolledBack: boolean;
  /** Moves and confirmations so far. */
  generation: number;
};

/** Null before the first promotion. */
export async function readPointer(db: Queryable, envId: string): Promise<PromotionPointer | null> {
  const { rows } = await db.query<PromotionPointer>(READ_SQL, [envId]);
  return rows[0] ?? null;
}

export type MoveKind = "promote" | "auto_promote" | "rollback" | "confirm_rollback";

export type PointerMove = {
  environment: LockedEnvironment;
  pointer: PromotionPointer | null;
  target: { id: string; version: string };
  kind: MoveKind;
  /** The flag afterwards. */
  rolledBack: boolean;
  actor: Actor;
  nowMs: number;
};

type Moved = { generation: number; previousId: string | null };

/** Makes `target` the current deployment. The environment is locked and the decision made. Returns the new generation. */
export async function movePointer(tx: PoolClient, audit: AuditLog, move: PointerMove): Promise<number> {
  const { environment, target, kind, nowMs } = move;
  const { rows } = await tx.query<Moved>(SWAP_SQL, [
    environment.id,
    target.id,
    kind,
    move.rolledBack,
    actorText(move.actor),
    new Date(nowMs),
  ]);
  const { generation, previousId } = theRow(rows);
  await forgetPlan(tx, target.id);
  const keepMs = kind === "rollback" ? KEEP_NEWER_WARM_MS : STOP_PREVIOUS_AFTER_MS;
  if (previousId !== null) await planStop(tx, previousId, nowMs + keepMs);
  if (!move.rolledBack) await hastenStops(tx, environment.id, nowMs + keepMs);
  await enqueueFollowUps(tx, { environmentId: environment.id, deploymentId: target.id, generation, nowMs });
  await writeAudit(tx, audit, move, generation);
  return generation;
}

/** Accepts the version that the environment was rolled back to. Returns the new generation. */
export async function confirmRollback(tx: PoolClient, audit: AuditLog, move: PointerMove): Promise<number> {
  const { environment, nowMs } = move;
  const { rows } = await tx.query<Moved>(CONFIRM_SQL, [environment.id, actorText(move.actor), new Date(nowMs)]);
  const { generation, previousId } = theRow(rows);
  if (previousId !== null) await planStop(tx, previousId, nowMs + STOP_PREVIOUS_AFTER_MS);
  await hastenStops(tx, environment.id, nowMs + STOP_PREVIOUS_AFTER_MS);
  await writeAudit(tx, audit, move, generation);
  return generation;
}

/** `user:<id>`, `key:<environment>`, `system:deploy`: who moved the pointer, as the history keeps it. */
function actorText({ type, id }: Actor): string {
  return `${type}:${id}`;
}

async function writeAudit(tx: PoolClient, audit: AuditLog, move: PointerMove, generation: number): Promise<void> {
  const { environment, pointer, target, kind } = move;
  await audit.write(tx, {
    event: kind === "auto_promote" ? "deployment.promote" : `deployment.${kind}`,
    actor: move.actor,
    organizationId: environment.organizationId,
    projectId: environment.projectId,
    environmentId: environment.id,
    deploymentId: target.id,
    meta: { before: pointer?.currentVersion ?? null, after: target.version, generation },
  });
}

function theRow(rows: readonly Moved[]): Moved {
  const row = rows[0];
  if (!row) throw new Error("The pointer was not written.");
  return row;
}
