/** Makes the processes of this machine match the desired state: as many residents a version as it wants, no others longer than useful. */
import { errorMessage, type Logger } from "../../app/platform/logger";
import type { DesiredDeployment, ReportInput } from "../protocol";
import { Crashes } from "./crashes";
import { isHealthy, type Replica } from "./replica";
import type { ReplicaSet } from "./replicaSet";
import { evictable } from "./slots";
import type { Supervisor } from "./supervisor";

/** A replica that was started for one run stays this long without work; milliseconds. */
const SPARE_IDLE_MS = 60_000;
/** A process that has not asked for work this long after its start will not; milliseconds. */
const START_LIMIT_MS = 60_000;
const CONVERGE_EVERY_MS = 5_000;
/** A slot that was vacated for a version is kept for it this long; milliseconds. */
const RESERVED_MS = 15_000;

export type PoolOptions = {
  set: ReplicaSet;
  supervisor: Pick<Supervisor, "start" | "drain" | "kill">;
  slots: number;
  log: Logger;
  now(): number;
};

type Instance = ReportInput["instances"][number];

export class Pool {
  private desired = new Map<string, DesiredDeployment>();
  /** Starts in progress, by version: their release is being fetched, or they are being spawned. */
  private readonly starting = new Map<string, number>();
  private readonly crashes: Crashes;
  /** Versions for which a replica was evicted, and until when. */
  private readonly reservations = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;
  private stopped = true;

  constructor(private readonly options: PoolOptions) {
    this.crashes = new Crashes(options.now);
  }

  start(): void {
    this.stopped = false;
    this.timer = setInterval(() => this.converge(), CONVERGE_EVERY_MS);
  }

  /** Nothing is started or stopped any more. */
  stop(): void {
    this.stopped = true;
    clearInterval(this.timer);
  }

  /** Processes that could still be started. */
  get freeSlots(): number {
    return this.options.slots - this.options.set.size - this.startsInProgress;
  }

  /** The version if it is desired here. */
  find(deploymentId: string): DesiredDeployment | undefined {
    return this.desired.get(deploymentId);
  }

  /** The whole desired state. A version that failed is tried again when what the server says of it changed. */
  setDesired(deployments: readonly DesiredDeployment[]): void {
    const before = this.desired;
    this.desired = new Map(deployments.map((deployment) => [deployment.id, deployment]));
    for (const [id, old] of before) {
      const now = this.desired.get(id);
      if (!now || wants(now) !== wants(old)) this.crashes.forget(id);
    }
    for (const replica of this.options.set.all()) {
      const version = this.desired.get(replica.version.id);
      if (version) replica.version.isCurrent = version.isCurrent;
      else replica.version.isCurrent = false;
    }
    this.converge();
  }

  /** A replica ended: restart it later, or give up on its version. */
  ended(replica: Replica, end: { wanted: boolean; text: string }): void {
    const { id } = replica.version;
    if (!end.wanted) {
      const failed = this.crashes.record(id, end.text);
      if (failed) this.options.log.error("deployment.crash_loop", { deploymentId: id, message: this.crashes.failure(id) ?? "" });
      setTimeout(() => this.converge(), this.crashes.waitMs(id) + 1).unref();
    }
    this.converge();
  }

  /** Takes a slot for `forDeployment`, stopping an idle replica of less use when there is none. False: everybody is needed. */
  makeRoom(forDeployment: string): boolean {
    if (this.freeSlots > this.reservedForOthers(forDeployment)) {
      this.reservations.delete(forDeployment);
      return true;
    }
    if (this.reservations.has(forDeployment)) return false;
    const victim = evictable(this.options.set.all(), forDeployment);
    if (!victim) return false;
    this.reservations.set(forDeployment, this.options.now() + RESERVED_MS);
    this.options.log.info("replica.evicted", { replica: victim.name, deploymentId: victim.version.id, for: forDeployment });
    this.options.supervisor.drain(victim);
    return false;
  }

  /** Starts and stops what is needed; returns at once. */
  converge(): void {
    if (this.stopped) return;
    for (const replica of this.options.set.all()) this.review(replica);
    for (const version of this.desired.values()) this.fill(version);
  }

  private reservedForOthers(deploymentId: string): number {
    for (const [id, until] of this.reservations) if (until < this.options.now()) this.reservations.delete(id);
    return this.reservations.size - (this.reservations.has(deploymentId) ? 1 : 0);
  }

  /** The whole set, with a line for every version that has no process yet and the reason. */
  instances(): Instance[] {
    const instances = this.options.set.all().map((replica) => this.instanceOf(replica));
    for (const version of this.stopped ? [] : this.desired.values()) {
      const failure = this.crashes.failure(version.id);
      const missing = version.replicas > 0 && this.residents(version).length === 0;
      if (failure || missing)
        instances.push({
          runnerId: `v-${version.id}`,
          deploymentId: version.id,
          pid: null,
          state: failure ? "failed" : "preparing",
          message: cut(failure ?? this.crashes.message(version.id) ?? this.whyNone(version)),
          restarts: this.crashes.restarts(version.id),
        });
    }
    return instances;
  }

  private get startsInProgress(): number {
    let sum = 0;
    for (const count of this.starting.values()) sum += count;
    return sum;
  }

  private residents(version: DesiredDeployment): Replica[] {
    return this.options.set.usable(version.id, version.machine).filter((replica) => replica.resident);
  }

  /** Stops a replica that nobody wants (any more), or that does not get going. */
  private review(replica: Replica): void {
    const { supervisor, now } = this.options;
    if (replica.draining || replica.phase === "gone") return;
    const version = this.desired.get(replica.version.id);
    const wanted = version && version.replicas > 0 && version.machine.name === replica.machine.name;
    if (replica.resident && !wanted) return supervisor.drain(replica);
    if (!replica.resident && replica.phase === "idle" && now() - replica.idleSince > SPARE_IDLE_MS) return supervisor.drain(replica);
    if (replica.phase === "starting" && now() - replica.startedAt > START_LIMIT_MS)
      void supervisor.kill(replica, `did not ask for work within ${START_LIMIT_MS / 1_000} s of its start`);
  }

  /** Brings the residents of one version to their number. */
  private fill(version: DesiredDeployment): void {
    const { set, supervisor } = this.options;
    const residents = this.residents(version);
    const pending = this.starting.get(version.id) ?? 0;
    const idleFirst = [...residents].sort((a, b) => Number(a.phase === "busy") - Number(b.phase === "busy"));
    for (const surplus of idleFirst.slice(0, Math.max(0, residents.length - version.replicas))) supervisor.drain(surplus);
    // A process that is being started may be among the residents already: counted twice it starts later, never in vain.
    const missing = version.replicas - residents.length - pending;
    if (missing <= 0 || this.crashes.failure(version.id) || this.crashes.waitMs(version.id) > 0) return;
    const spares = set.usable(version.id, version.machine).filter((replica) => !replica.resident);
    const promoted = spares.slice(0, missing);
    for (const spare of promoted) spare.resident = true;
    for (let i = promoted.length; i < missing; i++) {
      const alone = residents.length + (this.starting.get(version.id) ?? 0) === 0;
      // Only a version without any replica may drive others out.
      if (alone ? !this.makeRoom(version.id) : this.freeSlots <= this.reservedForOthers(version.id)) return;
      this.startResident(version);
    }
  }

  private startResident(version: DesiredDeployment): void {
    const { supervisor, log } = this.options;
    this.starting.set(version.id, (this.starting.get(version.id) ?? 0) + 1);
    const done = () => {
      const left = (this.starting.get(version.id) ?? 1) - 1;
      if (left > 0) this.starting.set(version.id, left);
      else this.starting.delete(version.id);
    };
    supervisor
      .start({ version: { ...version }, machine: version.machine, resident: true, restarts: this.crashes.restarts(version.id) })
      .then(
        () => {
          done();
          this.converge();
        },
        (error: unknown) => {
          done();
          log.error("deployment.prepare_failed", { deploymentId: version.id, message: errorMessage(error) });
          if (!this.stopped) this.crashes.fail(version.id, errorMessage(error));
        }
      );
  }

  private whyNone(version: DesiredDeployment): string {
    if ((this.starting.get(version.id) ?? 0) > 0) return "Fetching the release.";
    if (this.freeSlots <= 0) return `All ${this.options.slots} slots of this agent are in use by versions that are current or have runs.`;
    return "Waiting to start.";
  }

  private instanceOf(replica: Replica): Instance {
    const state = replica.phase === "gone" ? "stopped" : replica.draining ? "draining" : isHealthy(replica) ? "running" : "preparing";
    return {
      runnerId: replica.name,
      deploymentId: replica.version.id,
      pid: replica.pid > 0 ? replica.pid : null,
      state,
      message: cut(this.crashes.message(replica.version.id)),
      restarts: replica.restarts,
    };
  }
}

/** What of a desired version makes a new try worthwhile. */
function wants({ isCurrent: _ignored, otlpEndpoint: _token, ...version }: DesiredDeployment): string {
  return JSON.stringify(version);
}

function cut(text: string | null): string | null {
  return text && text.length > 4_000 ? `${text.slice(0, 3_999)}…` : text;
}
