/** The queue index over Redis: takes, limits, counts and wake-ups here; writes, connection and epochs beside it. */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../platform/clock";
import { errorMessage, type Logger } from "../../platform/logger";
import type { Redis } from "../../platform/redis.server";
import { RetryableError } from "../../utils/appError";
import { epochKeys, escapePart, laneRef, unescapePart, wakeChannel } from "./keys";
import type { Claim, EnvironmentLimits, LimitsSource, QueueCounts, QueueIndex } from "./queueIndex";
import { createIndexConnection } from "./connection.server";
import { createEpochAdmin } from "./control.server";
import type { AdoptedMode, IndexControl } from "./control";
import { indexScripts, runScript, STALE } from "./scripts.server";
import { IndexWriteQueue, type WriteTarget } from "./writes.server";
import { CLAIM_LEASE_MS } from "./slotRules";

export type QueueIndexDeps = {
  /** Any connection to the index's Redis; the index opens two of its own beside it. */
  redis: Redis;
  /** Asked when a take meets an environment whose limits the index does not hold. */
  limits: LimitsSource;
  log: Logger;
  clock: Clock;
  /** Front of every key. Default `q`. */
  namespace?: string;
};

/** The port, its lifecycle, and what recovery needs. */
export type QueueIndexDriver = QueueIndex & {
  readonly control: IndexControl;
  /** Connects; work begins when recovery has adopted an epoch. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Steps of all takes so far: what scanning costs; for tests and metrics. */
  takeSteps(): number;
};

/** Runs of one environment in a turn; small enough to be fair, large enough to serve a backlog in few turns. */
export const FAIRNESS_QUANTUM = 10;
/** About 5 ms of Redis time. */
const STEPS_PER_CALL = 1_000;
const CALLS_PER_TAKE = 20;
const LANES_PER_CALL = 5_000;
const LIMIT_CALLS = 1_000;
const PATIENCE_MS = 5_000;
const SETTLE_POLL_MS = 10;
const WEIGHT = 1;

/** Builds a stopped index. */
export function createQueueIndex(deps: QueueIndexDeps): QueueIndexDriver {
  return new RedisQueueIndex(deps);
}

type Adopted = { epoch: number; mode: AdoptedMode };
type TakeReply = [state: number, steps: number, unknown: string[], claims: string[]];

class RedisQueueIndex implements QueueIndexDriver {
  readonly control: IndexControl;
  private readonly namespace: string;
  /** In the wake-ups of this process's own offers, which it need not hear. */
  private readonly sender = randomBytes(6).toString("hex");
  private readonly connection: ReturnType<typeof createIndexConnection>;
  private readonly writes: IndexWriteQueue;
  private readonly wakeListeners = new Set<(region: string) => void>();
  private readonly suspectListeners = new Set<(reason: string) => void>();
  private readonly adoptListeners = new Set<() => void>();
  /** Regions that this process takes from: all of them may have work once an epoch is ready. */
  private readonly regions = new Set<string>();
  private readonly wokenRegions = new Set<string>();
  private readonly loadingLimits = new Map<string, Promise<void>>();
  /** Environments whose change of limits did not get through. */
  private readonly owedLimits = new Set<string>();
  private adopted: Adopted | null = null;
  /** Set when Redis refused the adopted epoch, until recovery has adopted one again. */
  private isSuspect = false;
  private steps = 0;

  constructor(private readonly deps: QueueIndexDeps) {
    this.namespace = deps.namespace ?? "q";
    this.connection = createIndexConnection(deps.redis, this.namespace, deps.log, {
      onUsable: () => this.suspect("connected"),
      onWake: (message) => this.heard(message),
      onEpochNews: () => this.suspect("announced"),
    });
    this.writes = new IndexWriteQueue({
      target: () => this.writeTarget(),
      onStale: () => this.suspect("stale"),
      onOffered: (lanes) => this.offered(lanes),
      log: deps.log,
    });
    this.control = this.buildControl();
  }

  epoch(): number | null {
    return this.adopted?.epoch ?? null;
  }

  async renewEpoch(staleEpoch: number): Promise<number | null> {
    const deadline = this.deps.clock.now() + PATIENCE_MS;
    while (this.epoch() === staleEpoch && this.deps.clock.now() < deadline) {
      const adopted = this.nextAdoption(PATIENCE_MS);
      this.suspect("store");
      if (!(await adopted)) break;
    }
    return this.epoch();
  }

  enqueue(items: Parameters<QueueIndex["enqueue"]>[0]): Promise<void> {
    return this.writes.push({ kind: "enqueue", items });
  }

  confirm(items: Parameters<QueueIndex["confirm"]>[0]): Promise<void> {
    return this.writes.push({ kind: "confirm", items });
  }

  release(items: Parameters<QueueIndex["release"]>[0]): Promise<void> {
    return this.writes.push({ kind: "release", items });
  }

  remove(items: Parameters<QueueIndex["remove"]>[0]): Promise<void> {
    return this.writes.push({ kind: "remove", items });
  }

  beat(items: Parameters<QueueIndex["beat"]>[0]): Promise<void> {
    return this.writes.push({ kind: "beat", items });
  }

  forget(runIds: readonly string[]): Promise<void> {
    return this.writes.push({ kind: "forget", items: runIds.map((runId) => ({ runId })) });
  }

  async take(region: string, count: number, nowMs: number): Promise<Claim[]> {
    this.regions.add(region);
    const claims: Claim[] = [];
    try {
      for (let call = 0; call < CALLS_PER_TAKE && claims.length < count; call++) {
        if (!(await this.takeOnce(region, { count: count - claims.length, nowMs }, claims))) break;
      }
    } catch (error) {
      // Claims of a lost answer come back by their lease.
      this.deps.log.warn("queue_index.take_failed", { message: errorMessage(error) });
    }
    return claims;
  }

  async setLimits(limits: EnvironmentLimits): Promise<void> {
    const deadline = this.deps.clock.now() + PATIENCE_MS;
    while (!(await this.tryLimits(limits, "replace"))) {
      const left = deadline - this.deps.clock.now();
      if (left <= 0 || !(await this.nextAdoption(left))) {
        this.owedLimits.add(limits.envId);
        throw new RetryableError("queue_index_unavailable", "The queue index is not reachable; the change applies when it is back.");
      }
    }
  }

  async settleClaims(envId: string, queue: string | null): Promise<void> {
    const deadline = this.deps.clock.now() + CLAIM_LEASE_MS;
    const earlier = await this.openClaims(envId, queue);
    while (earlier.size > 0 && this.deps.clock.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_POLL_MS));
      const open = await this.openClaims(envId, queue);
      for (const claim of earlier) if (!open.has(claim)) earlier.delete(claim);
    }
  }

  async overdue(nowMs: number, limit: number): Promise<string[]> {
    const { keys, redis, guard } = this.reading();
    return guard(redis.zrange(keys.beats, "-inf", String(nowMs), "BYSCORE", "LIMIT", 0, limit));
  }

  async counts(envId: string): Promise<QueueCounts> {
    const reply = await this.count(envId, []);
    return { queued: reply[0] ?? 0, running: reply[1] ?? 0 };
  }

  async queueCounts(envId: string, queues: readonly string[]): Promise<Map<string, QueueCounts>> {
    const reply = await this.count(envId, queues.map(escapePart));
    return new Map(queues.map((queue, at) => [queue, { queued: reply[2 + 2 * at] ?? 0, running: reply[3 + 2 * at] ?? 0 }]));
  }

  onWake(listener: (region: string) => void): () => void {
    this.wakeListeners.add(listener);
    return () => this.wakeListeners.delete(listener);
  }

  start(): Promise<void> {
    return this.connection.start();
  }

  async stop(): Promise<void> {
    await this.writes.stop();
    await this.connection.stop();
  }

  takeSteps(): number {
    return this.steps;
  }

  /** One script call; true when another may bring more. */
  private async takeOnce(region: string, want: { count: number; nowMs: number }, into: Claim[]): Promise<boolean> {
    const target = this.adopted?.mode === "ready" ? this.writeTarget() : null;
    if (!target || !this.adopted) return false;
    const { epoch } = this.adopted;
    const args = [escapePart(region), want.count, want.nowMs + CLAIM_LEASE_MS, FAIRNESS_QUANTUM, STEPS_PER_CALL];
    const [state, steps, unknown, flat] = (await target.run(indexScripts.take, args)) as TakeReply;
    if (state === STALE) {
      this.suspect("stale");
      return false;
    }
    this.steps += steps;
    for (let at = 0; at + 3 < flat.length; at += 4) {
      const [runId = "", lane = "", score, claim] = flat.slice(at, at + 4);
      into.push({ runId, lane: laneRef(lane), score: Number(score), claim: Number(claim), epoch });
    }
    if (unknown.length === 0) return state === 1;
    const loaded = await Promise.all(unknown.map((envId) => this.loadLimits(envId)));
    return state === 1 || loaded.includes(true);
  }

  /** Asks once however many takes meet the environment; false when nobody could say. */
  private async loadLimits(envId: string): Promise<boolean> {
    const running =
      this.loadingLimits.get(envId) ??
      this.deps
        .limits(envId)
        .then(async (limits) => void (await this.tryLimits(limits, "absent")))
        .finally(() => this.loadingLimits.delete(envId));
    this.loadingLimits.set(envId, running);
    try {
      await running;
      return true;
    } catch (error) {
      this.deps.log.warn("queue_index.limits_unknown", { envId, message: errorMessage(error) });
      return false;
    }
  }

  /** False when there is no epoch to write to, or Redis did not take it. */
  private async tryLimits(limits: EnvironmentLimits, mode: "replace" | "absent"): Promise<boolean> {
    const queues = limits.queues.flatMap((queue) => [escapePart(queue.name), queue.limit ?? "", queue.paused ? "1" : "0"]);
    const head = [limits.max, limits.base, limits.paused ? "1" : "0", WEIGHT, LANES_PER_CALL];
    for (let call = 0; call < LIMIT_CALLS; call++) {
      const target = this.writeTarget();
      if (!target) return false;
      const args = [target.channel, limits.envId, call === 0 ? mode : "absent", ...head, ...queues];
      let rest: unknown;
      try {
        rest = await target.run(indexScripts.limits, args);
      } catch (error) {
        this.deps.log.warn("queue_index.limits_failed", { envId: limits.envId, message: errorMessage(error) });
        return false;
      }
      if (rest === STALE) {
        this.suspect("stale");
        return false;
      }
      if (rest === 0) return true;
    }
    return true;
  }

  private async payLimits(): Promise<void> {
    for (const envId of [...this.owedLimits]) {
      this.owedLimits.delete(envId);
      const isPaid = await this.deps.limits(envId).then(
        (limits) => this.tryLimits(limits, "replace"),
        () => false
      );
      if (!isPaid) this.owedLimits.add(envId);
    }
  }

  private async openClaims(envId: string, queue: string | null): Promise<Set<string>> {
    const { keys, redis, guard } = this.reading();
    const slots = await guard(redis.hgetall(keys.slots(envId)));
    const open = new Set<string>();
    for (const value of Object.values(slots)) {
      const holder = value.slice(0, value.indexOf("|"));
      if (holder.startsWith("c") && (queue === null || laneRef(value.slice(holder.length + 1)).queue === queue)) open.add(holder);
    }
    return open;
  }

  private async count(envId: string, queues: readonly string[]): Promise<number[]> {
    const { keys, redis, guard } = this.reading();
    const reply = (await guard(runScript(redis, indexScripts.counts, keys.ready, [envId, ...queues]))) as number[];
    if (reply[0] !== STALE) return reply;
    this.suspect("stale");
    throw unavailable();
  }

  private writeTarget(): WriteTarget | null {
    const adopted = this.adopted;
    if (!adopted || adopted.mode === "waiting" || this.isSuspect || this.connection.runId() === null) return null;
    const readyKey = epochKeys(this.namespace, adopted.epoch).ready;
    const { redis, guard } = this.connection;
    return {
      run: (script, args) => guard(runScript(redis, script, readyKey, args)),
      channel: wakeChannel(this.namespace),
      sender: this.sender,
    };
  }

  private readEpoch(): number {
    if (!this.adopted) throw unavailable();
    return this.adopted.epoch;
  }

  private reading() {
    if (!this.adopted || this.connection.runId() === null) throw unavailable();
    return { ...this.connection, keys: epochKeys(this.namespace, this.adopted.epoch) };
  }

  /** Stops using the epoch until recovery has looked; news from another process does not stop what works. */
  private suspect(reason: string): void {
    if (reason === "stale" || reason === "connected") this.isSuspect = true;
    for (const listener of this.suspectListeners) listener(reason);
  }

  private adopt(epoch: number, mode: AdoptedMode): void {
    this.adopted = { epoch, mode };
    this.isSuspect = false;
    for (const listener of [...this.adoptListeners]) listener();
    if (mode === "waiting") return;
    this.writes.resume();
    void this.payLimits();
    if (mode === "ready") for (const region of this.regions) this.woken(escapePart(region));
  }

  /** False when nothing was adopted within the time. */
  private nextAdoption(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (adopted: boolean) => {
        clearTimeout(timer);
        this.adoptListeners.delete(onAdopt);
        resolve(adopted);
      };
      const onAdopt = () => settle(true);
      const timer = setTimeout(() => settle(false), timeoutMs);
      this.adoptListeners.add(onAdopt);
    });
  }

  /** A wake-up of any process: `<region>`, or `<region>|<sender>` when it was caused by an offer. */
  private heard(message: string): void {
    const [region = "", sender] = message.split("|");
    if (sender !== this.sender) this.woken(region);
  }

  /** Polls of this process need no message: their take follows the offer on the same connection. */
  private offered(lanes: ReadonlySet<string>): void {
    const regions = new Set([...lanes].map((lane) => laneRef(lane).region));
    for (const listener of this.wakeListeners) for (const region of regions) listener(region);
  }

  /** Many messages of one tick wake a region once. */
  private woken(region: string): void {
    this.wokenRegions.add(region);
    if (this.wokenRegions.size > 1) return;
    setImmediate(() => {
      const regions = [...this.wokenRegions].map(unescapePart);
      this.wokenRegions.clear();
      for (const listener of this.wakeListeners) for (const name of regions) listener(name);
    });
  }

  private buildControl(): IndexControl {
    const { connection, namespace } = this;
    const admin = createEpochAdmin({ redis: connection.redis, guard: connection.guard, namespace, current: () => this.readEpoch() });
    return {
      ...admin,
      redisRunId: (timeoutMs) => connection.whenUsable(timeoutMs),
      adopt: (epoch, mode) => this.adopt(epoch, mode),
      adopted: () => (this.isSuspect || connection.runId() === null ? null : this.adopted),
      onSuspect: (listener) => {
        this.suspectListeners.add(listener);
        return () => this.suspectListeners.delete(listener);
      },
    };
  }
}

function unavailable(): RetryableError {
  return new RetryableError("queue_index_unavailable", "The queue index is not reachable at the moment. Try again.");
}
