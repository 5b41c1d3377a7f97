/** Brings dequeued runs to processes: a parked one if there is one, one that will be free in a moment, or a new one. */
import os from "node:os";
import { errorMessage, type Logger } from "../../app/platform/logger";
import type { DesiredDeployment } from "../protocol";
import type { Pool } from "../replicas/pool";
import type { AssignedRun, Replica } from "../replicas/replica";
import type { ReplicaSet } from "../replicas/replicaSet";
import type { Runs } from "../replicas/runs";
import type { Supervisor } from "../replicas/supervisor";
import type { DequeuedMessage } from "../server/messages";
import type { ServerClient } from "../server/serverClient";
import type { WarmStarts } from "../workload/warmStarts";

/** A process that was handed a run and has not begun it after this long gets none: it is killed, the run starts cold; milliseconds. */
const TAKE_LIMIT_MS = 5_000;
/** A cold start has a release to load first; milliseconds. */
const COLD_TAKE_LIMIT_MS = 30_000;
/** Longest wait for a busy replica before a new process is started instead; milliseconds. */
const WAIT_LIMIT_MS = 500;
/** Where runs of a version are longer than this, waiting for one to end is no use; milliseconds. */
const SHORT_RUN_MS = 1_000;

export type DispatcherOptions = {
  set: ReplicaSet;
  pool: Pick<Pool, "find" | "makeRoom" | "freeSlots">;
  supervisor: Pick<Supervisor, "start" | "kill" | "remember">;
  warmStarts: WarmStarts;
  runs: Runs;
  server: Pick<ServerClient, "deployment">;
  log: Logger;
  now(): number;
  /** There may be room for more runs. */
  onCapacity(): void;
};

type Waiting = { message: DequeuedMessage; version: DesiredDeployment; timer: NodeJS.Timeout };

export class Dispatcher {
  private readonly waiting: Waiting[] = [];
  private readonly durations = new Map<string, number>();
  /** Processes that are being spawned for a run. */
  private spawning = 0;
  private readonly maxCold = Math.max(2, os.cpus().length);

  constructor(private readonly options: DispatcherOptions) {}

  /** Runs that could begin at once: parked replicas, and processes that fit and that the CPU bears starting. */
  get capacity(): number {
    const { set, warmStarts, pool } = this.options;
    const idle = set.all().filter((replica) => replica.phase === "idle" && !replica.draining && warmStarts.has(replica)).length;
    const cold = Math.max(0, Math.min(this.maxCold - this.cold, pool.freeSlots));
    return Math.max(0, idle + cold - this.waiting.length);
  }

  /** Processes that are on their way to their first run. */
  private get cold(): number {
    return this.spawning + this.options.set.all().filter((replica) => !replica.resident && replica.run && !replica.run.taken).length;
  }

  /** Takes charge of a run. Never rejects: what cannot be started is given back. */
  async dispatch(message: DequeuedMessage): Promise<void> {
    try {
      const version = await this.versionOf(message);
      if (this.warm(message, version)) return;
      if (this.worthWaiting(message, version)) this.wait(message, version);
      else await this.startCold(message, version);
    } catch (error) {
      await this.giveBack(message, errorMessage(error));
    }
  }

  /** A replica asks for work: the oldest run that it could do, of those that wait. */
  idle(replica: Replica): void {
    const at = this.waiting.findIndex((item) => matches(replica, item.message, item.version));
    const item = this.waiting[at];
    if (item) {
      this.forget(item);
      if (!this.hand(replica, item.message)) void this.dispatch(item.message);
    }
    this.options.onCapacity();
  }

  /** The process began the run: it is its own from here. */
  taken(replica: Replica, run: AssignedRun): void {
    this.options.supervisor.remember(replica);
    this.options.log.debug("run.taken", { runId: run.runId, replica: replica.name, ms: this.options.now() - run.since });
  }

  /** Learns how long runs of a version take. */
  completed(replica: Replica, ms: number): void {
    const before = this.durations.get(replica.version.id);
    this.durations.set(replica.version.id, before === undefined ? ms : before * 0.8 + ms * 0.2);
  }

  /** Gives back what still waits. */
  async stop(): Promise<void> {
    const left = this.waiting.splice(0);
    for (const item of left) clearTimeout(item.timer);
    await Promise.all(left.map((item) => this.giveBack(item.message, "the agent is stopping")));
  }

  private async versionOf(message: DequeuedMessage): Promise<DesiredDeployment> {
    const id = message.deployment.id;
    if (!id) throw new Error("The run was dequeued without a deployment.");
    return this.options.pool.find(id) ?? (await this.options.server.deployment(id));
  }

  private warm(message: DequeuedMessage, version: DesiredDeployment): boolean {
    const { set, warmStarts } = this.options;
    const parked = set.all().filter((replica) => replica.phase === "idle" && warmStarts.has(replica) && matches(replica, message, version));
    // The one that worked last has its code loaded and its process alive.
    parked.sort((a, b) => b.idleSince - a.idleSince);
    return parked.some((replica) => this.hand(replica, message));
  }

  private hand(replica: Replica, message: DequeuedMessage): boolean {
    const { runs, supervisor, warmStarts } = this.options;
    if (replica.phase !== "idle" || !warmStarts.has(replica)) return false;
    const run = runs.assign(replica, message);
    supervisor.remember(replica);
    if (!warmStarts.offer(replica, message)) {
      runs.detach(replica);
      replica.phase = "idle";
      return false;
    }
    this.expectTaken(replica, run, TAKE_LIMIT_MS);
    return true;
  }

  /** The run is executed once: the process that did not take it may no longer speak for it, and is killed before another gets it. */
  private expectTaken(replica: Replica, run: AssignedRun, limitMs: number): void {
    setTimeout(() => {
      if (run.taken || replica.run !== run || !run.message) return;
      const { message } = run;
      this.options.runs.detach(replica);
      void this.options.supervisor
        .kill(replica, `did not begin ${run.runId} within ${limitMs} ms`)
        .then(() =>
          limitMs === TAKE_LIMIT_MS ? this.retryCold(message) : void this.giveBack(message, "a new process did not begin the run")
        );
    }, limitMs).unref();
  }

  private async retryCold(message: DequeuedMessage): Promise<void> {
    try {
      await this.startCold(message, await this.versionOf(message));
    } catch (error) {
      await this.giveBack(message, errorMessage(error));
    }
  }

  private worthWaiting(message: DequeuedMessage, version: DesiredDeployment): boolean {
    const usable = this.options.set.usable(version.id, message.run.machine);
    if (usable.length === 0) return false;
    return usable.some((replica) => replica.phase !== "busy") || (this.durations.get(version.id) ?? 0) < SHORT_RUN_MS;
  }

  private wait(message: DequeuedMessage, version: DesiredDeployment): void {
    const item: Waiting = { message, version, timer: setTimeout(() => this.waitedEnough(item), WAIT_LIMIT_MS) };
    this.waiting.push(item);
  }

  private waitedEnough(item: Waiting): void {
    this.forget(item);
    if (this.warm(item.message, item.version)) return;
    this.startCold(item.message, item.version).catch((error: unknown) => this.giveBack(item.message, errorMessage(error)));
  }

  private forget(item: Waiting): void {
    clearTimeout(item.timer);
    const at = this.waiting.indexOf(item);
    if (at >= 0) this.waiting.splice(at, 1);
  }

  /** Rejects when there is no room and no way to make some, or the process cannot be started. */
  private async startCold(message: DequeuedMessage, version: DesiredDeployment): Promise<void> {
    const { pool, supervisor, set } = this.options;
    if (this.cold >= this.maxCold || !pool.makeRoom(version.id)) {
      // Nobody is free and nothing fits: it waits for whoever is free first. An eviction in progress counts as hope.
      if (set.usable(version.id, message.run.machine).length > 0 || this.cold > 0 || set.all().some((replica) => replica.draining))
        return this.wait(message, version);
      throw new Error("every slot of the agent is in use");
    }
    this.spawning++;
    try {
      const { machine } = message.run;
      const replica = await supervisor.start({ version: { ...version }, machine, resident: false, restarts: 0, run: message });
      if (replica.run) this.expectTaken(replica, replica.run, COLD_TAKE_LIMIT_MS);
    } finally {
      this.spawning--;
      this.options.onCapacity();
    }
  }

  private giveBack(message: DequeuedMessage, reason: string): Promise<boolean> {
    const run = { runId: message.run.friendlyId, snapshotId: message.snapshot.friendlyId, environmentId: message.environment.id };
    return this.options.runs.giveBack(null, run, reason);
  }
}

/** Same version, same machine, not on its way out. */
function matches(replica: Replica, message: DequeuedMessage, version: DesiredDeployment): boolean {
  return !replica.draining && replica.version.id === version.id && replica.machine.name === message.run.machine.name;
}
