/** What happens to a run at the agent's end: handed over, taken, ended, lost with its process, given back. */
import { errorMessage, type Logger } from "../../app/platform/logger";
import type { DequeuedMessage } from "../server/messages";
import type { ServerClient } from "../server/serverClient";
import type { Spool } from "../workload/spool";
import type { AssignedRun, Replica } from "./replica";

export type RunsOptions = {
  server: Pick<ServerClient, "release">;
  spool: Pick<Spool, "enqueue" | "has">;
  /** Wakes a process when the server has news of its run. */
  notifications: { subscribe(runId: string): void; unsubscribe(runId: string): void };
  log: Logger;
  now(): number;
};

export class Runs {
  constructor(private readonly options: RunsOptions) {}

  /** Binds a run to a replica. From here on the replica may speak for this run and for no other. */
  assign(replica: Replica, message: DequeuedMessage): AssignedRun {
    const run: AssignedRun = {
      runId: message.run.friendlyId,
      snapshotId: message.snapshot.friendlyId,
      environmentId: message.environment.id,
      taken: false,
      started: false,
      completed: false,
      since: this.options.now(),
      message,
    };
    replica.run = run;
    replica.phase = "busy";
    this.options.notifications.subscribe(run.runId);
    return run;
  }

  /** Parts a replica from its run, whose fate is decided elsewhere. */
  detach(replica: Replica): AssignedRun | null {
    const { run } = replica;
    replica.run = null;
    if (run) this.options.notifications.unsubscribe(run.runId);
    return run;
  }

  /** The process asks for more work, so it is done with its run, whatever it did. One that never began is given back. */
  async left(replica: Replica): Promise<void> {
    const run = this.detach(replica);
    if (!run || run.completed || run.started) return;
    await this.giveBack(replica, run, "the process did not start the attempt");
  }

  /**
   * The process is gone. An attempt that had begun ends here as a crash of the task's process, which the server retries by
   * the task's own rules; waiting for the stall rule instead would cost a minute.
   */
  async lost(replica: Replica, reason: string): Promise<void> {
    const run = this.detach(replica);
    if (!run || run.completed || this.options.spool.has(run.runId, run.snapshotId)) return;
    // Without the answer to its start on record, only the server knows whether the attempt began: it refuses a return then.
    if (!run.started && ((await this.giveBack(replica, run, reason)) || !run.taken)) return;
    this.options.log.warn("run.lost", { runId: run.runId, replica: replica.name, reason });
    const message = `The process that ran this attempt ended: ${reason}`;
    const error = { type: "INTERNAL_ERROR", code: "TASK_PROCESS_EXITED_WITH_NON_ZERO_CODE", message };
    await this.options.spool.enqueue({
      runId: run.runId,
      snapshotId: run.snapshotId,
      environmentId: run.environmentId,
      runner: replica.name,
      body: JSON.stringify({ completion: { ok: false, id: run.runId, error }, forceRequeue: true }),
      at: this.options.now(),
    });
  }

  /** Returns a run to its queue; false when the server did not take it. Then its own rule does, after a minute. */
  async giveBack(
    replica: Pick<Replica, "name"> | null,
    run: Pick<AssignedRun, "runId" | "snapshotId" | "environmentId">,
    reason: string
  ): Promise<boolean> {
    const { runId, snapshotId, environmentId } = run;
    this.options.log.warn("run.given_back", { runId, reason });
    try {
      await this.options.server.release({ runId, snapshotId, environmentId, runner: replica?.name ?? "none" }, reason);
      return true;
    } catch (error) {
      this.options.log.warn("run.give_back_failed", { runId, message: errorMessage(error) });
      return false;
    }
  }
}
