/** Plans whose time has come. */
import { inTransaction, type Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import type { AuditLog } from "../ports";
import { LIFECYCLE, setDesiredState } from "./desiredState.server";
import { type LockedDeployment, lockForChange } from "./lockForChange.server";

const DUE_SQL = loadScript("deployments/lifecycle/sql/stops-due.sql");
const TAKE_SQL =
  "DELETE FROM scheduled_state_change WHERE deployment_id = $1 AND nonce = $2 AND due_at <= $3 " + 'RETURNING to_state AS "toState"';
const PAGE = 100;

type Due = { deploymentId: string; nonce: string; environmentId: string };
type State = "running" | "stopped";

export class ApplyPlannedChangesService {
  constructor(private readonly deps: { pool: Pool; audit: AuditLog }) {}

  /** How many deployments changed. A plan that was replaced since it was read, or whose deployment became current, does nothing. */
  async call(nowMs: number): Promise<number> {
    let changed = 0;
    for (;;) {
      const { rows } = await this.deps.pool.query<Due>(DUE_SQL, [new Date(nowMs), PAGE]);
      for (const due of rows) if (await this.apply(due, nowMs)) changed += 1;
      if (rows.length < PAGE) return changed;
    }
  }

  private apply({ deploymentId, nonce, environmentId }: Due, nowMs: number): Promise<boolean> {
    return inTransaction(this.deps.pool, async (tx) => {
      const { environment, deployment, ...rest } = await lockForChange(tx, environmentId, deploymentId);
      const { rows } = await tx.query<{ toState: State }>(TAKE_SQL, [deploymentId, nonce, new Date(nowMs)]);
      const state = rows[0]?.toState;
      if (!state || !mayBecome(state, { environment, deployment, ...rest })) return false;
      return setDesiredState(tx, this.deps.audit, { environment, deployment, state, actor: LIFECYCLE, reason: "planned", nowMs });
    });
  }
}

/** The current version of an environment that still exists is never stopped. */
function mayBecome(state: State, { environment, isCurrent }: LockedDeployment): boolean {
  return state === "running" || !isCurrent || environment.archivedAt !== null;
}
