/** What can be done with a deployment, and why not: the same rules that the services apply under their locks. */
import { isTerminal, type Phase, type WireStatus } from "../../deployments/phases";
import { ARTIFACT_GONE } from "../../deployments/lifecycle/redeployDeployment.server";
import { STOP_REFUSALS } from "../../deployments/lifecycle/stopDeployment.server";
import { WAKE_REFUSALS } from "../../deployments/lifecycle/wakeDeployment.server";
import { decidePromotion, type Direction, type PromotionDecision } from "../../deployments/promotion/decidePromotion";
import type { ActionView } from "./views";

export type ActionFacts = {
  id: string;
  version: string;
  phase: Phase;
  status: WireStatus;
  desiredState: "running" | "stopped";
  hasWorker: boolean;
  hasRelease: boolean;
  /** What it was made from is still kept. */
  bundleThere: boolean;
  /** Unfinished runs are locked to it; lists do not ask and leave the refusal to the service. */
  inUse: boolean;
  current: { id: string; version: string } | null;
  isRolledBack: boolean;
};

const ENDED = "The deployment has ended already.";

/** All of them in the order of the menu; what cannot be done keeps its place and says why. */
export function deploymentActions(facts: ActionFacts): ActionView[] {
  const promote = decide(facts, "promote");
  return [
    promote.kind === "confirm"
      ? { name: "confirm", label: "Confirm rollback", reason: null, danger: false }
      : { name: "promote", label: "Promote", reason: refusalOf(promote), danger: false },
    { name: "rollback", label: "Roll back to this", reason: refusalOf(decide(facts, "rollback")), danger: false },
    { name: "redeploy", label: "Redeploy", reason: facts.bundleThere ? null : ARTIFACT_GONE, danger: false },
    { name: "wake", label: "Wake", reason: wakeRefusal(facts), danger: false },
    { name: "stop", label: "Stop", reason: stopRefusal(facts), danger: true },
    { name: "cancel", label: "Cancel deployment", reason: isTerminal(facts.phase) ? ENDED : null, danger: true },
  ];
}

/** The decision that the page's form will lead to, as far as it can be known now. */
export function decide(facts: ActionFacts, direction: Direction): PromotionDecision {
  return decidePromotion({
    direction,
    allowRollbacks: false,
    target: {
      id: facts.id,
      version: facts.version,
      status: facts.status,
      hasWorker: facts.hasWorker,
      stopped: facts.phase === "stopped" || facts.desiredState === "stopped",
      hasRelease: facts.hasRelease,
    },
    current: facts.current,
    isRolledBack: facts.isRolledBack,
  });
}

function refusalOf(decision: PromotionDecision): string | null {
  return decision.kind === "refuse" ? decision.text : null;
}

function stopRefusal(facts: ActionFacts): string | null {
  if (facts.desiredState === "stopped") return STOP_REFUSALS.stopped;
  if (facts.phase !== "ready") return STOP_REFUSALS.notReady;
  if (facts.current?.id === facts.id) return STOP_REFUSALS.current;
  return facts.inUse ? STOP_REFUSALS.inUse : null;
}

function wakeRefusal(facts: ActionFacts): string | null {
  if (facts.status !== "DEPLOYED" || facts.desiredState !== "stopped") return WAKE_REFUSALS.running;
  return facts.hasRelease ? null : WAKE_REFUSALS.releaseGone;
}
