/** A version that was woken and cannot become healthy is stopped again, unless it is current by now. */
import type { Clock } from "../../platform/clock";
import { inTransaction, type Pool } from "../../platform/db.server";
import type { Actor, AuditLog } from "../ports";
import { setDesiredState } from "./desiredState.server";
import { lockForChange } from "./lockForChange.server";

export type StopAgain = { environmentId: string; deploymentId: string; actor: Actor; reason: string };

export async function stopAgain(deps: { pool: Pool; clock: Clock; audit: AuditLog }, input: StopAgain): Promise<void> {
  await inTransaction(deps.pool, async (tx) => {
    const { environment, deployment, isCurrent } = await lockForChange(tx, input.environmentId, input.deploymentId);
    if (isCurrent) return;
    const { actor, reason } = input;
    await setDesiredState(tx, deps.audit, { environment, deployment, state: "stopped", actor, reason, nowMs: deps.clock.now() });
  });
}
