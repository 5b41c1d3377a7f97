/**
 * What a promote or a rollback leads to: a pure function over what was read under the environment's lock. The API, the
 * finalize step and the pages all call it, so that they cannot disagree.
 */
import type { WireStatus } from "../phases";
import { compareVersions } from "../versions";

export type Direction = "promote" | "rollback";

export type PromotionTarget = {
  id: string;
  version: string;
  status: WireStatus;
  hasWorker: boolean;
  /** Its replicas were stopped; they must be woken before it can serve. */
  stopped: boolean;
  /** Its bytes are still in the release store. */
  hasRelease: boolean;
};

export type PromotionInput = {
  direction: Direction;
  /** Lets a promote go to an older version. A rollback ignores it: it only ever goes back. */
  allowRollbacks: boolean;
  target: PromotionTarget;
  current: { id: string; version: string } | null;
  isRolledBack: boolean;
};

export type PromotionDecision =
  /** Move the pointer. `rolledBack`: the flag afterwards. `wake`: start the target first. */
  | { kind: "swap"; rolledBack: boolean; wake: boolean }
  /** The current version is accepted as the one to stay; only the flag changes. */
  | { kind: "confirm" }
  | { kind: "refuse"; text: string };

/** Texts of refusals; the dashboard and the CLI show them as they are. */
export const REFUSALS = {
  alreadyCurrent: "Deployment is already the current deployment.",
  older: "Cannot promote a deployment that is older than the current deployment.",
  newer: "Cannot rollback to a deployment that is newer than the current deployment.",
  releaseGone: "The release of this deployment is no longer available. Redeploy it first.",
  unhealthyWake: "Deployment instances did not become healthy in time. The current deployment was not changed.",
  noWorker: {
    promote: "Deployment is not associated with a worker and cannot be promoted.",
    rollback: "Deployment is not associated with a worker and cannot be rolled back.",
  },
  notDeployed: {
    promote: "Deployment must be in the DEPLOYED state to be promoted.",
    rollback: "Deployment must be in the DEPLOYED state to be rolled back.",
  },
} as const;

/** First rule that applies wins: worker, status, already current, order of versions, release, then the swap. */
export function decidePromotion(input: PromotionInput): PromotionDecision {
  const { direction, target, current } = input;
  if (!target.hasWorker) return refuse(REFUSALS.noWorker[direction]);
  if (target.status !== "DEPLOYED") return refuse(REFUSALS.notDeployed[direction]);
  if (current?.id === target.id) {
    return direction === "promote" && input.isRolledBack ? { kind: "confirm" } : refuse(REFUSALS.alreadyCurrent);
  }
  const wrongOrder = orderRefusal(input);
  if (wrongOrder) return refuse(wrongOrder);
  if (!target.hasRelease) return refuse(REFUSALS.releaseGone);
  return { kind: "swap", rolledBack: direction === "rollback" && current !== null, wake: target.stopped };
}

function orderRefusal({ direction, allowRollbacks, target, current }: PromotionInput): string | null {
  if (!current) return null;
  const order = compareVersions(target.version, current.version);
  if (direction === "rollback") return order > 0 ? REFUSALS.newer : null;
  return order <= 0 && !allowRollbacks ? REFUSALS.older : null;
}

function refuse(text: string): PromotionDecision {
  return { kind: "refuse", text };
}

export type AutoPromotionInput = {
  autoPromote: boolean;
  skipPromotion: boolean;
  isRolledBack: boolean;
  version: string;
  currentVersion: string | null;
};

/** Whether a deployment that became ready is made current; when not, the text for its event log (null: it was asked for). */
export function decideAutoPromotion(input: AutoPromotionInput): { promote: true } | { promote: false; message: string | null } {
  if (input.skipPromotion) return { promote: false, message: null };
  if (!input.autoPromote) return { promote: false, message: "Deployed but not promoted: automatic promotion is off for this environment." };
  if (input.isRolledBack && input.currentVersion !== null) {
    const message = `Deployed but not promoted: the environment is rolled back to ${input.currentVersion}. Promote it to resume automatic promotion.`;
    return { promote: false, message };
  }
  if (input.currentVersion !== null && compareVersions(input.version, input.currentVersion) <= 0) {
    return { promote: false, message: `Deployed but not promoted: version ${input.currentVersion} is newer.` };
  }
  return { promote: true };
}
