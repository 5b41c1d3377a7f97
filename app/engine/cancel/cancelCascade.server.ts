/**
 * Cancels the children of cancelled runs. The intent was committed with the parent's cancel, so a process that dies half way
 * leaves work that the loop of any process finishes.
 */
import { errorMessage, type Logger } from "../../platform/logger";
import { defineLoop, type Loop } from "../../platform/loop";
import { RUN_STATUS_NAMES, isFinal } from "../../runops/runStates";
import type { RunStore } from "../../runops/runStore";
import type { CancelInput, CancelOutcome } from "../types";

const PAGE = 100;
/** Only leftovers of a process that died wait for this. */
const LEFTOVERS_EVERY_MS = 30_000;
const LIVE_STATUSES = RUN_STATUS_NAMES.filter((status) => !isFinal(status));

type CascadeDeps = {
  store: Pick<RunStore, "listRuns" | "pendingCascades" | "clearCascade">;
  cancel: (input: CancelInput) => Promise<CancelOutcome>;
  log: Logger;
};

export class CancelCascade {
  readonly loop: Loop;
  private readonly running = new Map<string, Promise<void>>();

  constructor(private readonly deps: CascadeDeps) {
    this.loop = defineLoop({ name: "cancel-cascade", everyMs: LEFTOVERS_EVERY_MS, log: deps.log, run: () => this.runLeftovers() });
  }

  /** Begins to cancel the children of a run; what fails is left to the loop. */
  begin(envId: string, runId: string): void {
    if (this.running.has(runId)) return;
    const work = this.cascade(envId, runId)
      .catch((error: unknown) => this.deps.log.warn("cascade.failed", { runId, message: errorMessage(error) }))
      .finally(() => this.running.delete(runId));
    this.running.set(runId, work);
  }

  /** Resolves when every cascade of this process, and those that they began, has ended. */
  async settled(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running.values());
  }

  private async runLeftovers(): Promise<number | void> {
    const pending = await this.deps.store.pendingCascades(PAGE);
    for (const { envId, runId } of pending) this.begin(envId, runId);
    await this.settled();
    return pending.length === PAGE ? 0 : undefined;
  }

  private async cascade(envId: string, runId: string): Promise<void> {
    let after: string | undefined;
    do {
      const page = await this.deps.store.listRuns({ envId, parentId: runId, statuses: LIVE_STATUSES, pageSize: PAGE, after });
      await Promise.all(page.runs.map((child) => this.cancelChild(envId, runId, child.header.id)));
      after = page.next ?? undefined;
    } while (after);
    await this.deps.store.clearCascade(runId);
  }

  private async cancelChild(envId: string, parentId: string, runId: string): Promise<void> {
    await this.deps.cancel({ envId, runId, reason: `Its parent run_${parentId} was cancelled.` });
  }
}
