/** The agent of a region on one machine: wires its parts, starts and stops them in order. */
import { existsSync, mkdirSync, statSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createHash } from "node:crypto";
import { errorMessage, type Logger } from "../app/platform/logger";
import type { Loop } from "../app/platform/loop";
import { adoptReplicas } from "./adoption";
import { Builder, passedThrough } from "./build/builder";
import { pathOfBuilds } from "./build/sandbox";
import { followDesiredState } from "./desiredState";
import { dequeueLoop } from "./dispatch/dequeueLoop";
import { Dispatcher } from "./dispatch/dispatcher";
import { detectIsolation, type IsolationLevel } from "./isolation/isolation";
import type { AgentOptions } from "./options";
import type { AgentCapabilities } from "./protocol";
import { ReleaseCache } from "./releases/cache";
import { Reports } from "./reports";
import { Launcher } from "./replicas/launcher";
import { Pool } from "./replicas/pool";
import { ReplicaRecords } from "./replicas/records";
import { hasWork } from "./replicas/replica";
import { ReplicaSet } from "./replicas/replicaSet";
import { Runs } from "./replicas/runs";
import { bunFor } from "./replicas/runtimes";
import { slotsByMemory } from "./replicas/slots";
import { Supervisor } from "./replicas/supervisor";
import { Notifications } from "./server/notifications";
import { ServerClient, ServerRefusal } from "./server/serverClient";
import type { AgentState } from "./state";
import { Spool } from "./workload/spool";
import { WarmStarts } from "./workload/warmStarts";
import { WorkloadServer } from "./workload/workloadServer";
import { WorkloadSocket } from "./workload/workloadSocket";

const EVICT_EVERY_MS = 10 * 60_000;
const CONNECT_RETRY_MS = 1_000;
const REFUSED_RETRY_MS = 15_000;
const DRAIN_POLL_MS = 100;
/** What idle replicas get to end before the agent does. */
const IDLE_END_MS = 2_000;

export type AgentDeps = { options: AgentOptions; state: AgentState; log: Logger; now(): number };

export class RegionAgent {
  readonly server: ServerClient;
  readonly isolation: IsolationLevel;
  readonly set = new ReplicaSet();
  readonly pool: Pool;
  readonly slots: number;
  private readonly parts: ReturnType<RegionAgent["build"]>;
  private readonly loops: Loop[];
  private readonly builder: Builder | null;
  private evictions: NodeJS.Timeout | undefined;
  private readonly stopping = new AbortController();

  constructor(private readonly deps: AgentDeps) {
    const { options, state, log } = deps;
    this.isolation = detectIsolation({ wanted: options.isolation, node: process.execPath, agent: shortHash(state.dataDir) });
    this.slots = options.slots ?? slotsByMemory();
    this.server = new ServerClient({ url: options.url, token: options.token, instanceName: state.instanceName });
    this.parts = this.build();
    this.pool = this.parts.pool;
    const { dispatcher } = this.parts;
    this.builder = options.roles.includes("builder") ? this.createBuilder() : null;
    this.loops = [
      followDesiredState({ server: this.server, log, now: deps.now, onDesired: (deployments) => this.pool.setDesired(deployments) }),
      dequeueLoop({
        server: this.server,
        capacity: () => dispatcher.capacity,
        dispatch: (message) => void dispatcher.dispatch(message),
        log,
      }),
    ];
    this.parts.supervisor.listen({
      idle: (replica) => dispatcher.idle(replica),
      gone: (replica, end) => {
        this.pool.ended(replica, end);
        this.loops[1]?.nudge();
      },
      changed: () => this.parts.reports.changed(),
    });
  }

  /** Where run controllers find it. */
  get workloadPort(): number {
    return this.parts.workload.port;
  }

  /** What this machine offers, as `connect` tells it. */
  get capabilities(): AgentCapabilities {
    const { options } = this.deps;
    return {
      platform: process.platform,
      arch: process.arch,
      node: process.versions.node,
      nodeAbi: process.versions.modules,
      packages: options.packages,
      isolation: this.isolation.level,
      isolationNote: this.isolation.note,
      roles: options.roles,
      memoryMb: Math.floor(os.totalmem() / 1024 / 1024),
    };
  }

  /** Resolves once the server knows this agent and everything runs; keeps trying while the server is away. */
  async start(): Promise<void> {
    const { state, log } = this.deps;
    const { workload, records, supervisor, runs, spool, releases, notifications, reports } = this.parts;
    const wanted = state.workloadPort;
    const port = await workload.listen(wanted);
    state.rememberPort(port);
    releases.sweep();
    await adoptReplicas({ records, supervisor, runs, samePort: port === wanted, log });
    this.isolation.cgroups?.sweep(new Set(this.set.all().map(({ name }) => name)));
    supervisor.watch();
    spool.start();
    await this.connect();
    if (this.stopping.signal.aborted) return;
    notifications.start();
    this.pool.start();
    reports.start();
    if (this.deps.options.roles.includes("runner")) for (const loop of this.loops) loop.start();
    this.builder?.start();
    this.evictions = setInterval(() => releases.evict(), EVICT_EVERY_MS);
    log.info("agent.ready", { name: state.instanceName, slots: this.slots, isolation: this.isolation.level, workloadPort: port });
  }

  /**
   * No new runs; idle replicas end. Runs get `drainMs` to finish; the processes of those that do not are left as they are,
   * and the next agent of this data directory adopts them.
   */
  async stop(drainMs: number): Promise<void> {
    this.stopping.abort();
    const { dispatcher, supervisor, reports, notifications, spool, workload, socket, releases } = this.parts;
    this.pool.stop();
    clearInterval(this.evictions);
    await Promise.all([...this.loops.map((loop) => loop.stop()), this.builder?.stop()]);
    await dispatcher.stop();
    const deadline = this.deps.now() + drainMs;
    const busy = () => this.set.all().filter((replica) => hasWork(replica) && replica.phase !== "gone");
    while (busy().length > 0 && this.deps.now() < deadline) await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    await this.endIdle();
    await reports.stop();
    await reports.send().catch(() => undefined);
    supervisor.unwatch();
    notifications.stop();
    spool.stop();
    releases.close();
    const closed = socket.close();
    await workload.close();
    await closed;
    this.isolation.cgroups?.close();
    this.server.close();
    this.deps.log.info("agent.stopped", { left: busy().length });
  }

  /** A run whose end is on its way to the server is over in a moment, and nobody would end its replica afterwards. */
  private async endIdle(): Promise<void> {
    const { supervisor, workload } = this.parts;
    const deadline = this.deps.now() + IDLE_END_MS;
    const ending = () => this.set.all().filter((replica) => !hasWork(replica) || workload.isReporting(replica));
    for (let left = ending(); left.length > 0 && this.deps.now() < deadline; left = ending()) {
      for (const replica of left) if (!hasWork(replica)) supervisor.drain(replica);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  private createBuilder(): Builder {
    const { options, state, log, now } = this.deps;
    const bun = bunFor(options.runtimes);
    return new Builder({
      url: options.url,
      headers: this.server.headers,
      root: path.join(sharedRoot(state.dataDir, this.isolation), "builds"),
      region: { name: options.region, packages: options.packages },
      runtimes: options.runtimes,
      uidOf: this.isolation.level === "L0" ? null : (name) => state.uidOf(name),
      env: { ...passedThrough(process.env), ...(bun === null ? {} : { PATH: pathOfBuilds(path.dirname(bun)) }) },
      makeRoom: () => void this.parts.releases.evict(0),
      log,
      now,
    });
  }

  private async connect(): Promise<void> {
    const { options, log } = this.deps;
    while (!this.stopping.signal.aborted) {
      try {
        const answer = await this.server.connect({ capabilities: this.capabilities, slots: this.slots });
        if (answer.workerGroup.name === options.region) return;
        throw new ServerRefusal(400, `the token belongs to region ${answer.workerGroup.name}, not to ${options.region}`, "connect");
      } catch (error) {
        log.warn("agent.connect_failed", { url: options.url, message: errorMessage(error) });
        const wait = error instanceof ServerRefusal && error.status < 500 ? REFUSED_RETRY_MS : CONNECT_RETRY_MS;
        await this.pause(wait);
      }
    }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.stopping.signal.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  private build() {
    const { options, state, log, now } = this.deps;
    const { server, set, isolation } = this;
    const shared = sharedRoot(state.dataDir, isolation);
    const records = new ReplicaRecords(path.join(state.dataDir, "replicas"));
    const warmStarts = new WarmStarts();
    const releases = new ReleaseCache({ root: path.join(shared, "releases"), source: server, log, now });
    const spool = new Spool({
      dir: path.join(state.dataDir, "spool"),
      log,
      now,
      send: ({ runId, snapshotId, ...item }) => server.forward("POST", `/runs/${runId}/snapshots/${snapshotId}/attempts/complete`, item),
    });
    const notifications = new Notifications({
      url: options.url,
      headers: server.headers,
      log,
      onNotify: (runId) => void socket.notify(runId),
    });
    const runs = new Runs({ server, spool, notifications, log, now });
    const launcher: Launcher = new Launcher({
      instanceName: state.instanceName,
      workloadPort: (): number => workload.port,
      isolation,
      uidOf: (environmentId) => state.uidOf(environmentId),
      homes: path.join(shared, "homes"),
      runtimes: options.runtimes,
      records,
      now,
    });
    const supervisor = new Supervisor({ set, launcher, releases, records, warmStarts, runs, log, now });
    const pool = new Pool({ set, supervisor, slots: this.slots, log, now });
    const onCapacity = () => this.loops[1]?.nudge();
    const dispatcher = new Dispatcher({ set, pool, supervisor, warmStarts, runs, server, log, now, onCapacity });
    const onTaken: Dispatcher["taken"] = (replica, run) => dispatcher.taken(replica, run);
    const onCompleted: Dispatcher["completed"] = (replica, ms) => dispatcher.completed(replica, ms);
    const workload: WorkloadServer = new WorkloadServer({
      set,
      warmStarts,
      server,
      spool,
      launcher,
      supervisor,
      onTaken,
      onCompleted,
      log,
      now,
    });
    const socket = new WorkloadSocket({ http: workload.http, set, onTaken });
    const reports = new Reports({ server, instances: () => pool.instances(), onUnknown: () => this.loops[0]?.nudge(), log });
    return { records, warmStarts, releases, spool, notifications, runs, launcher, supervisor, pool, dispatcher, workload, socket, reports };
  }
}

const SHARED_ROOT = "/var/lib/sluice";

/** Where releases and homes live: users of environments have to get there, and cannot pass through a folder that is root's alone. */
function sharedRoot(dataDir: string, isolation: IsolationLevel): string {
  if (isolation.level === "L0" || isPassable(dataDir)) return dataDir;
  const shared = path.join(SHARED_ROOT, `agent-${shortHash(dataDir)}`);
  mkdirSync(shared, { recursive: true, mode: 0o711 });
  return shared;
}

/** Names what belongs to the agent of a data directory. */
function shortHash(dataDir: string): string {
  return createHash("sha256").update(dataDir).digest("hex").slice(0, 12);
}

function isPassable(dir: string): boolean {
  const parent = path.dirname(dir);
  if (existsSync(dir) && (statSync(dir).mode & 0o001) === 0) return false;
  return parent === dir || isPassable(parent);
}
