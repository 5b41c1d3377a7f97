/** Life of replicas: start, first poll, runs, drain, end; and everything that must be gone when a process is. */
import { errorMessage, type Logger } from "../../app/platform/logger";
import type { DesiredDeployment } from "../protocol";
import type { PreparedRelease, ReleaseCache } from "../releases/cache";
import type { DequeuedMessage } from "../server/messages";
import type { WarmStarts } from "../workload/warmStarts";
import type { Launcher } from "./launcher";
import { isAlive, killAll, signal } from "./proc";
import type { ReplicaRecord, ReplicaRecords } from "./records";
import { hasWork, type Machine, type Replica } from "./replica";
import type { ReplicaSet } from "./replicaSet";
import type { Runs } from "./runs";

/** An idle process that was told to go and has not after this long is killed; milliseconds. */
const IDLE_EXIT_MS = 10_000;
/** How often processes of an earlier agent, which are no children of this one, are looked at; milliseconds. */
const ADOPTED_CHECK_MS = 500;
const TRIM_EVERY_MS = 60_000;

export type SupervisorOptions = {
  set: ReplicaSet;
  launcher: Launcher;
  releases: ReleaseCache;
  records: ReplicaRecords;
  warmStarts: WarmStarts;
  runs: Runs;
  log: Logger;
  now(): number;
};

export type StartInput = { version: DesiredDeployment; machine: Machine; resident: boolean; restarts: number; run?: DequeuedMessage };

/** What others want to hear. */
export type SupervisorEvents = {
  /** A replica asks for work. */
  idle(replica: Replica): void;
  /** A replica is gone. `wanted`: it was told to go. */
  gone(replica: Replica, end: { wanted: boolean; text: string }): void;
  /** Anything that a report shows. */
  changed(): void;
};

export class Supervisor {
  private readonly dirs = new Map<string, PreparedRelease>();
  private readonly adopted = new Set<Replica>();
  private timers: NodeJS.Timeout[] = [];
  private events: SupervisorEvents = { idle: () => undefined, gone: () => undefined, changed: () => undefined };

  constructor(private readonly options: SupervisorOptions) {}

  /** Who is told. Once, before anything starts. */
  listen(events: SupervisorEvents): void {
    this.events = events;
  }

  watch(): void {
    const check = () => {
      for (const replica of this.adopted)
        if (!isAlive(replica.pid, replica.startTime)) this.exited(replica, "ended while no agent watched");
    };
    const trim = () => this.options.set.all().forEach((replica) => this.options.records.trim(replica.name));
    this.timers = [setInterval(check, ADOPTED_CHECK_MS), setInterval(trim, TRIM_EVERY_MS)];
  }

  unwatch(): void {
    this.timers.forEach((timer) => clearInterval(timer));
  }

  /** Prepares the release if need be, and spawns. Rejects when either fails; a run in `input` is then not assigned. */
  async start(input: StartInput): Promise<Replica> {
    const { launcher, releases, records, runs, set, log } = this.options;
    const { version } = input;
    const key = { digest: version.releaseDigest, processKeepAlive: version.processKeepAlive, gid: launcher.gidOf(version.environmentId) };
    const release = await releases.acquire(key);
    let replica: Replica;
    try {
      replica = launcher.launch({ ...input, release, onExit: (gone, text) => this.exited(gone, text) });
    } catch (error) {
      releases.release(release.key);
      throw error;
    }
    set.add(replica);
    this.dirs.set(replica.name, release);
    if (input.run) runs.assign(replica, input.run);
    if (replica.pid > 0) records.save(replica, release);
    log.info("replica.started", { replica: replica.name, pid: replica.pid, deploymentId: version.id, cold: input.run !== undefined });
    this.events.changed();
    return replica;
  }

  /** Takes over a process of an earlier agent. */
  adopt(record: ReplicaRecord): Replica {
    const { releaseKey, releaseDir: dir, controllerEntryPoint, run, ...rest } = record;
    const phase = run ? "busy" : "starting";
    const replica: Replica = {
      ...rest,
      releaseKey,
      phase,
      draining: false,
      idleSince: this.options.now(),
      run: run && { ...run, message: null },
    };
    this.options.set.add(replica);
    this.options.releases.adopt(releaseKey, dir, controllerEntryPoint);
    this.dirs.set(replica.name, { key: releaseKey, dir, controllerEntryPoint });
    this.adopted.add(replica);
    this.events.changed();
    return replica;
  }

  /** Ends the adoption of a replica whose process turned out to be gone. */
  forget(replica: Replica): void {
    replica.phase = "gone";
    this.adopted.delete(replica);
    this.dirs.delete(replica.name);
    this.options.set.remove(replica);
    this.options.releases.release(replica.releaseKey);
  }

  /** For the next agent, after the run of a replica changed. */
  remember(replica: Replica): void {
    if (replica.phase !== "gone" && replica.pid > 0) this.options.records.saveState(replica);
  }

  /** Where the release of a replica lies; null when it is gone. */
  releaseDirOf(replica: Replica): string | null {
    return this.dirs.get(replica.name)?.dir ?? null;
  }

  /** A poll of a replica arrived: it has no run, or not any more. */
  async asksForWork(replica: Replica): Promise<void> {
    if (replica.phase === "gone") return;
    const ended = this.options.runs.left(replica);
    replica.phase = "idle";
    replica.idleSince = this.options.now();
    this.remember(replica);
    if (replica.draining) this.dismiss(replica);
    else this.events.idle(replica);
    this.events.changed();
    await ended;
  }

  /** Ends a replica without interrupting anything: now when it is idle, after its run otherwise. */
  drain(replica: Replica): void {
    if (replica.draining || replica.phase === "gone") return;
    replica.draining = true;
    if (!hasWork(replica)) this.dismiss(replica);
    this.events.changed();
  }

  /** SIGKILL for the process, its group and everything it started; its run, if any, is treated as lost. */
  async kill(replica: Replica, reason: string): Promise<void> {
    if (replica.phase === "gone") return;
    this.options.log.warn("replica.killed", { replica: replica.name, pid: replica.pid, reason });
    replica.draining = true;
    signal(-replica.pid, "SIGKILL");
    await this.exitedWith(replica, reason);
  }

  private dismiss(replica: Replica): void {
    this.options.warmStarts.dismiss(replica);
    signal(replica.pid, "SIGTERM");
    setTimeout(() => {
      if (replica.phase !== "gone" && !hasWork(replica)) void this.kill(replica, `did not end within ${IDLE_EXIT_MS} ms of SIGTERM`);
    }, IDLE_EXIT_MS).unref();
  }

  private exited(replica: Replica, text: string): void {
    this.exitedWith(replica, text).catch((error: unknown) =>
      this.options.log.error("replica.clean_up_failed", { replica: replica.name, message: errorMessage(error) })
    );
  }

  /** Once per replica. The run is reported only when nothing is left that could still work on it. */
  private async exitedWith(replica: Replica, text: string): Promise<void> {
    if (replica.phase === "gone") return;
    const wanted = replica.draining;
    replica.phase = "gone";
    this.adopted.delete(replica);
    this.options.warmStarts.dismiss(replica);
    const left = await killAll(replica.name, replica.pid > 0 ? replica.pid : null);
    if (left.length > 0) this.options.log.error("replica.orphans", { replica: replica.name, pids: left.join(" ") });
    this.options.launcher.cleanUp(replica);
    const tail = this.options.records.tail(replica.name);
    await this.options.runs.lost(replica, text);
    this.options.set.remove(replica);
    this.options.releases.release(replica.releaseKey);
    this.options.records.remove(replica.name);
    this.dirs.delete(replica.name);
    this.options.log.info("replica.ended", { replica: replica.name, deploymentId: replica.version.id, how: text, wanted });
    this.events.gone(replica, { wanted, text: tail ? `${text}\n${tail}` : text });
    this.events.changed();
  }
}
