/** Build slots: as many builds of an organization at once as its settings allow, production first, then first come. */
import { inTransaction, type Pool, type PoolClient } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import type { Workflow } from "../ports";
import { letGoWhenDead } from "./guard.server";

const ENTER_SQL = loadScript("deployments/workflow/sql/slot-enter.sql");
const DROP_SQL = loadScript("deployments/workflow/sql/slots-drop.sql");
const WAITING_SQL = loadScript("deployments/workflow/sql/slots-waiting.sql");
const LOCK_SQL = "SELECT pg_advisory_xact_lock(hashtextextended('build_slot:' || $1, 0))";
const GRANT_SQL = "UPDATE build_slot SET state = 'active', granted_at = $2, lease_until = $3 WHERE deployment_id = $1";
const LEAVE_SQL = 'DELETE FROM build_slot WHERE deployment_id = $1 RETURNING organization_id AS "organizationId"';
const RENEW_SQL = "UPDATE build_slot SET lease_until = $2 WHERE deployment_id = ANY($1::text[]) AND state = 'active'";

/** Renewed by the deployer's sweep while the workflow runs. */
const SLOT_LEASE_MS = 10 * 60_000;

type SlotPorts = { workflow: Pick<Workflow, "signal"> };

/** Stands in line, and gets a slot at once when one is free. */
export async function enterLine(
  tx: PoolClient,
  ports: SlotPorts,
  { deploymentId, nowMs }: { deploymentId: string; nowMs: number }
): Promise<void> {
  const { rows } = await tx.query<{ organizationId: string }>(ENTER_SQL, [deploymentId]);
  if (rows[0]) await grantSlots(tx, ports, { organizationId: rows[0].organizationId, nowMs });
}

/** Gives the slot, or the place in line, back. Does nothing a second time. */
export async function leaveLine(
  tx: PoolClient,
  ports: SlotPorts,
  { deploymentId, nowMs }: { deploymentId: string; nowMs: number }
): Promise<void> {
  const { rows } = await tx.query<{ organizationId: string }>(LEAVE_SQL, [deploymentId]);
  if (rows[0]) await grantSlots(tx, ports, { organizationId: rows[0].organizationId, nowMs });
}

/** Frees what dead holders have, then gives out what is free. One organization at a time, one caller at a time. */
async function grantSlots(
  tx: PoolClient,
  ports: SlotPorts,
  { organizationId, nowMs }: { organizationId: string; nowMs: number }
): Promise<void> {
  await tx.query(LOCK_SQL, [organizationId]);
  await tx.query(DROP_SQL, [organizationId, new Date(nowMs)]);
  const { rows } = await tx.query<{ deploymentId: string; cap: number; active: number }>(WAITING_SQL, [organizationId]);
  for (const deploymentId of grantable(rows)) {
    await tx.query(GRANT_SQL, [deploymentId, new Date(nowMs), new Date(nowMs + SLOT_LEASE_MS)]);
    await ports.workflow.signal(tx, deploymentId, "slot");
  }
}

/** Strictly in order: whoever is first and may not start holds up the rest, or a small cap would never have its turn. */
export function grantable(line: readonly { deploymentId: string; cap: number; active: number }[]): string[] {
  const granted: string[] = [];
  for (const { deploymentId, cap, active } of line) {
    if (active + granted.length >= cap) break;
    granted.push(deploymentId);
  }
  return granted;
}

/** For deployments whose workflow runs. */
export async function renewSlots(pool: Pool, deploymentIds: readonly string[], nowMs: number): Promise<void> {
  if (deploymentIds.length > 0) await pool.query(RENEW_SQL, [deploymentIds, new Date(nowMs + SLOT_LEASE_MS)]);
}

/** Slots of deployments that ended without giving them back. Whoever waits for them is given them. */
export async function repairSlots(pool: Pool, ports: SlotPorts, nowMs: number): Promise<void> {
  const { rows } = await pool.query<{ organizationId: string }>('SELECT DISTINCT organization_id AS "organizationId" FROM build_slot');
  for (const { organizationId } of rows) {
    await inTransaction(pool, async (tx) => {
      await letGoWhenDead(tx);
      await grantSlots(tx, ports, { organizationId, nowMs });
    });
  }
}
