/** Ends a deployment before it is ready: by a failure, a cancel, or a newer one. The only statement that does so outside the workflow. */
import type { PoolClient } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { toPostgresJson } from "../../environments/postgresJson";
import { STATUS_OF_PHASE, type Step } from "../phases";
import type { DeploymentErrorData, DeploymentEvents, Workflow } from "../ports";
import { summarize } from "../stepError";

const END_SQL = loadScript("deployments/sql/deployment-end.sql");

export type DeploymentEnd = {
  deploymentId: string;
  phase: "failed" | "cancelled" | "superseded" | "skipped";
  /** A failure by a deadline. */
  timedOut?: boolean;
  /** For people; the summary of the open step and the last line of the log. */
  message: string;
  /** What the step keeps in full; default: the message. */
  fullText?: string;
  errorData?: DeploymentErrorData;
  /** Machine-readable, snake_case. */
  code?: string;
  supersededById?: string;
  nowMs: number;
};
export type EndPorts = { events: DeploymentEvents; workflow: Pick<Workflow, "signal"> };

/**
 * False when it had ended already: the first end stays. The workflow is told, and undoes what it has done. The caller
 * holds the environment's lock where the end must not race a promotion.
 */
export async function endDeployment(tx: PoolClient, ports: EndPorts, end: DeploymentEnd): Promise<boolean> {
  const isFailure = end.phase === "failed";
  const { rows } = await tx.query<{ version: string; step: Step | null }>(END_SQL, [
    end.deploymentId,
    end.phase,
    end.timedOut ? "TIMED_OUT" : STATUS_OF_PHASE[end.phase],
    new Date(end.nowMs),
    clean(end.fullText ?? end.message),
    summarize(clean(end.message)),
    end.errorData ? toPostgresJson(end.errorData) : null,
    end.code ?? null,
    isFailure ? null : clean(end.message),
    end.supersededById ?? null,
  ]);
  const ended = rows[0];
  if (!ended) return false;
  const row = { step: ended.step, level: isFailure ? "error" : "warn", type: "finalized", body: end.message } as const;
  await ports.events.append(tx, end.deploymentId, [row]);
  await ports.workflow.signal(tx, end.deploymentId, "cancel");
  return true;
}

function clean(text: string): string {
  return text.replaceAll("\u0000", "").toWellFormed();
}
