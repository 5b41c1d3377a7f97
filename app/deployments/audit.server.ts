/** Who did what to which deployment. Rows are only ever added. */
import type { Clock } from "../platform/clock";
import { mintId } from "../utils/ids";
import { loadScript } from "../platform/scripts.server";
import type { AuditEvent, AuditLog } from "./ports";

const INSERT_SQL = loadScript("deployments/sql/audit-insert.sql");

/** Writes in the transaction of the change: what is rolled back was not done. */
export function createAuditLog({ clock }: { clock: Clock }): AuditLog {
  return {
    async write(tx, event) {
      await tx.query(INSERT_SQL, valuesOf(event, clock.now()));
    },
  };
}

function valuesOf(event: AuditEvent, now: number): unknown[] {
  const { actor } = event;
  return [
    mintId(now),
    new Date(now),
    event.event,
    actor.type,
    actor.id,
    actor.name,
    actor.ip,
    actor.userAgent,
    actor.correlationId,
    event.organizationId,
    event.projectId,
    event.environmentId,
    event.deploymentId,
    event.meta === undefined ? null : JSON.stringify(event.meta),
  ];
}
