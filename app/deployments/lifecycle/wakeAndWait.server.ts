/** Starts a stopped deployment and waits until it is healthy: what a promotion of such a one needs first. */
import { inTransaction } from "../../platform/db.server";
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import { Bell } from "../heldCalls";
import type { Actor, AuditLog, DeploymentFeed, DeploymentRecord } from "../ports";
import { setDesiredState } from "./desiredState.server";
import { lockForChange } from "./lockForChange.server";
import { forgetPlan } from "./plannedStops.server";
import type { PhaseSweep, Waking } from "./phaseSweep.server";
import { stopAgain } from "./stopAgain.server";

export type WakeRequest = { deployment: DeploymentRecord; actor: Actor; untilMs: number };
/** True when the deployment is ready; false when it was not healthy in time, or cannot be any more: it is stopped again unless others want it. */
export type WakeAndWait = (request: WakeRequest) => Promise<boolean>;

type Deps = { pool: Pool; clock: Clock; audit: AuditLog; feed: Pick<DeploymentFeed, "onDeployment">; phases: PhaseSweep };

/** Reports wake the wait; without one it looks again by itself. */
const LOOK_AGAIN_MS = 500;

export function createWakeAndWait(deps: Deps): WakeAndWait {
  return async (request) => {
    const { deployment } = request;
    const { woken, waking } = await wake(deps, request);
    const bell = new Bell();
    const unsubscribe = deps.feed.onDeployment(deployment.id, bell.ring);
    try {
      for (;;) {
        const nowMs = deps.clock.now();
        const state = await deps.phases.settle(waking, nowMs);
        if (state === "ready") return true;
        if (state === "hopeless" || nowMs >= request.untilMs) break;
        await bell.wait(Math.min(LOOK_AGAIN_MS, request.untilMs - nowMs));
      }
    } finally {
      unsubscribe();
    }
    const { environmentId } = deployment;
    if (woken) await stopAgain(deps, { environmentId, deploymentId: deployment.id, actor: request.actor, reason: "not healthy in time" });
    return false;
  };
}

async function wake(deps: Deps, { deployment, actor }: WakeRequest): Promise<{ woken: boolean; waking: Waking }> {
  return inTransaction(deps.pool, async (tx) => {
    const locked = await lockForChange(tx, deployment.environmentId, deployment.id);
    const { environment } = locked;
    await forgetPlan(tx, deployment.id);
    const change = { environment, deployment: locked.deployment, state: "running", actor, reason: "promotion" } as const;
    const woken = await setDesiredState(tx, deps.audit, { ...change, nowMs: deps.clock.now() });
    return { woken, waking: { id: deployment.id, environmentId: environment.id, parentId: environment.parentId } };
  });
}
