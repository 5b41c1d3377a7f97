/**
 * Holds the answer to `trigger deploy` until the deployment has ended, so that the command's exit code is true. It only
 * reads: a client that hangs up changes nothing, and the next request with the same key continues the wait.
 */
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import { deploymentById } from "../rows/deploymentRows.server";
import { Bell } from "../heldCalls";
import { isTerminal } from "../phases";
import type { DeploymentFeed, DeploymentRecord } from "../ports";
import { stepWord } from "./views";

/** A lost notification costs no more than this. */
const REREAD_MS = 1_000;
/** Requests that the CLI sends for one command. */
const LAST_REQUEST = 5;
const COUNT_SQL = "UPDATE deployment SET hold_requests = hold_requests + 1 WHERE id = $1 RETURNING hold_requests";
const SUMMARY_SQL =
  "SELECT error_summary FROM deployment_step WHERE deployment_id = $1 AND error_summary IS NOT NULL ORDER BY started_at LIMIT 1";

export type HoldOutcome =
  | { kind: "ready" }
  /** Nobody will ask again: answer as if there was no hold. */
  | { kind: "release" }
  | { kind: "retry" }
  /** For people, without the link. */
  | { kind: "ended"; text: string };

type Deps = {
  pool: Pool;
  feed: Pick<DeploymentFeed, "onDeployment">;
  clock: Clock;
  /** Longest wait of one answer, in milliseconds. */
  segmentMs: number;
};

export class HoldDeploymentService {
  private readonly open = new Set<() => void>();
  private draining = false;

  constructor(private readonly deps: Deps) {}

  /** Resolves at the end of the deployment or of the segment. `signal`: the client's connection. */
  async call(deploymentId: string, signal: AbortSignal): Promise<HoldOutcome> {
    const { rows } = await this.deps.pool.query<{ hold_requests: number }>(COUNT_SQL, [deploymentId]);
    const request = rows[0]?.hold_requests ?? 1;
    const deployment = await this.waitForEnd(deploymentId, signal);
    if (deployment && isTerminal(deployment.phase)) return this.endOf(deployment);
    return { kind: request >= LAST_REQUEST ? "release" : "retry" };
  }

  /** Answers everyone who waits here, so that their connections close and they ask another process. */
  drain(): void {
    this.draining = true;
    for (const wake of [...this.open]) wake();
  }

  private async waitForEnd(deploymentId: string, signal: AbortSignal): Promise<DeploymentRecord | null> {
    const deadline = this.deps.clock.now() + this.deps.segmentMs;
    const bell = new Bell();
    const unsubscribe = this.deps.feed.onDeployment(deploymentId, bell.ring);
    this.open.add(bell.ring);
    signal.addEventListener("abort", bell.ring, { once: true });
    try {
      for (;;) {
        const deployment = await deploymentById(this.deps.pool, deploymentId);
        const leftMs = deadline - this.deps.clock.now();
        if (!deployment || isTerminal(deployment.phase) || leftMs <= 0 || signal.aborted || this.draining) return deployment;
        await bell.wait(Math.min(REREAD_MS, leftMs));
      }
    } finally {
      unsubscribe();
      this.open.delete(bell.ring);
      signal.removeEventListener("abort", bell.ring);
    }
  }

  private async endOf(deployment: DeploymentRecord): Promise<HoldOutcome> {
    if (deployment.status === "DEPLOYED") return { kind: "ready" };
    const { rows } = await this.deps.pool.query<{ error_summary: string }>(SUMMARY_SQL, [deployment.id]);
    const reason = rows[0]?.error_summary ?? deployment.errorData?.message ?? deployment.canceledReason ?? deployment.phase;
    const verb = deployment.phase === "failed" ? "failed" : deployment.phase === "cancelled" ? "was cancelled" : `was ${deployment.phase}`;
    return { kind: "ended", text: `Version ${deployment.version} ${verb} while ${stepWord(deployment.failureStep)}: ${reason}` };
  }
}
