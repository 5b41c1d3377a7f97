/** What the workflow needs of the other parts of deployments. */
import type { PoolClient } from "../../platform/db.server";

/** The finalize step's part of `ChangeCurrentDeploymentService`. */
export interface AutoPromotion {
  /**
   * Makes a deployment current when the rule for automatic promotion allows it, with all that a promote by hand does. The
   * caller's transaction holds the environment's lock and has made the deployment ready.
   */
  inTransaction(tx: PoolClient, request: { direction: "auto"; deploymentId: string }): Promise<AutoPromotionResult>;
}
/** `message`: why it was not promoted, for the log of the deployment; null when that was asked for. */
export type AutoPromotionResult = { promoted: true } | { promoted: false; message: string | null };

/** The uploaded archive that a build starts from. */
export interface BuildInput {
  /** Null when the bytes are those that were uploaded; otherwise a sentence that says what is wrong. */
  verify(artifactKey: string): Promise<string | null>;
}

/** What a build leaves behind. */
export interface BuildOutput {
  /** Removes the release of a deployment that did not become ready, when no other deployment has the same. Called at least once. */
  discard(deploymentId: string): Promise<void>;
}

/** A follow-up of a committed change; handlers are idempotent, a stale generation does nothing. */
export type DeploymentJob = {
  id: string;
  kind: string;
  environmentId: string;
  deploymentId: string | null;
  /** Of the promotion that it follows. */
  generation: number | null;
  /** This one included. */
  attempts: number;
};
/** Handlers by kind; a failing one is called again, later each time. */
export type JobHandlers = Readonly<Record<string, (job: DeploymentJob) => Promise<void>>>;

/** Work of the deployer every 30 s beside the workflow's own sweeps: scheduled state changes, retention of artifacts and releases. */
export type ExtraSweep = { name: string; run(): Promise<void> };
