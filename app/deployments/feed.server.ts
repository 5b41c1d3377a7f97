/**
 * One LISTEN connection of this process for the three channels of deployments. It carries hints only: whoever waits reads
 * the rows again by itself every few seconds, so a lost connection costs time and nothing else.
 */
import pg from "pg";
import { errorMessage, type Logger } from "../platform/logger";
import type { Phase } from "./phases";
import type { DeploymentFeed, Unsubscribe } from "./ports";

const CHANNELS = { deployment: "sluice_deployment", detail: "sluice_deployment_detail", topology: "sluice_topology" };
/** The one key of listeners that hear of every deployment. */
const ANY = "*";
const PROBE_EVERY_MS = 5_000;
const CONNECT_TIMEOUT_MS = 5_000;
const PROBE_PATIENCE_MS = 5_000;
const MAX_RECONNECT_DELAY_MS = 5_000;

export type ListeningFeed = DeploymentFeed & { start(): Promise<void>; stop(): Promise<void> };

type Listener<T> = (value: T) => void;
type EnvironmentChange = { deploymentId: string; phase: Phase } | null;

/** Listeners by the id that they are about. */
class Listeners<T> {
  private readonly byId = new Map<string, Set<Listener<T>>>();

  constructor(private readonly log: Logger) {}

  add(id: string, listener: Listener<T>): Unsubscribe {
    const set = this.byId.get(id) ?? new Set();
    this.byId.set(id, set.add(listener));
    return () => {
      set.delete(listener);
      if (set.size === 0 && this.byId.get(id) === set) this.byId.delete(id);
    };
  }

  tell(id: string, value: T): void {
    for (const listener of [...(this.byId.get(id) ?? [])]) this.call(listener, value);
  }

  tellAll(value: T): void {
    for (const id of [...this.byId.keys()]) this.tell(id, value);
  }

  private call(listener: Listener<T>, value: T): void {
    try {
      listener(value);
    } catch (error) {
      this.log.error("deployment_feed.listener_failed", { message: errorMessage(error) });
    }
  }
}

/** `databaseUrl` must reach Postgres without a transaction pooler in between. */
export function createDeploymentFeed(options: { databaseUrl: string; log: Logger }): ListeningFeed {
  return new Feed(options);
}

class Feed implements ListeningFeed {
  private readonly deployments: Listeners<void>;
  private readonly environments: Listeners<EnvironmentChange>;
  private readonly topologies: Listeners<number | null>;
  private readonly everywhere: Listeners<void>;
  private client: pg.Client | null = null;
  private timer: NodeJS.Timeout | undefined;
  private work: Promise<void> = Promise.resolve();
  private running = false;
  private delayMs = 0;

  constructor(private readonly options: { databaseUrl: string; log: Logger }) {
    this.deployments = new Listeners(options.log);
    this.environments = new Listeners(options.log);
    this.topologies = new Listeners(options.log);
    this.everywhere = new Listeners(options.log);
  }

  onDeployment(deploymentId: string, listener: () => void): Unsubscribe {
    return this.deployments.add(deploymentId, listener);
  }

  onEnvironment(envId: string, listener: Listener<EnvironmentChange>): Unsubscribe {
    return this.environments.add(envId, listener);
  }

  onAnyDeployment(listener: () => void): Unsubscribe {
    return this.everywhere.add(ANY, listener);
  }

  onTopology(regionId: string, listener: Listener<number | null>): Unsubscribe {
    return this.topologies.add(regionId, listener);
  }

  async start(): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      await this.connect();
    } catch (error) {
      this.running = false;
      throw error;
    }
    this.schedule(PROBE_EVERY_MS);
  }

  async stop(): Promise<void> {
    this.running = false;
    clearTimeout(this.timer);
    await this.work;
    await this.disconnect();
  }

  private schedule(delayMs: number): void {
    if (!this.running) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.work = this.beat().then((next) => this.schedule(next));
    }, delayMs);
  }

  private async beat(): Promise<number> {
    try {
      if (this.client) await withDeadline(this.client.query("SELECT 1"), PROBE_PATIENCE_MS);
      else await this.connect();
      this.delayMs = 0;
      return PROBE_EVERY_MS;
    } catch (error) {
      this.options.log.warn("deployment_feed.connection_lost", { message: errorMessage(error) });
      await this.disconnect();
      this.delayMs = Math.min(MAX_RECONNECT_DELAY_MS, this.delayMs * 2 + 50);
      return this.delayMs;
    }
  }

  private async connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.options.databaseUrl,
      application_name: "sluice-deployment-feed",
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
    });
    client.on("error", () => this.ended(client));
    client.on("end", () => this.ended(client));
    client.on("notification", (message) => this.heard(message.channel, message.payload ?? ""));
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNELS.deployment}; LISTEN ${CHANNELS.detail}; LISTEN ${CHANNELS.topology}`);
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
    this.client = client;
    this.deployments.tellAll();
    this.environments.tellAll(null);
    this.topologies.tellAll(null);
    this.everywhere.tellAll();
  }

  private heard(channel: string, payload: string): void {
    const [first = "", second = "", third = ""] = payload.split(" ");
    if (channel === CHANNELS.topology) return this.topologies.tell(first, Number(second));
    this.deployments.tell(first);
    if (channel !== CHANNELS.deployment) return;
    this.environments.tell(second, { deploymentId: first, phase: third as Phase });
    this.everywhere.tell(ANY);
  }

  private ended(client: pg.Client): void {
    if (this.client !== client) return;
    this.client = null;
    this.schedule(0);
  }

  private async disconnect(): Promise<void> {
    const client = this.client;
    this.client = null;
    if (!client) return;
    // `end` of a hung connection waits for its query for ever; the socket itself is what must go.
    await withDeadline(client.end(), PROBE_PATIENCE_MS).catch(() => destroySocket(client));
  }
}

function destroySocket(client: pg.Client): void {
  const { connection } = client as unknown as { connection?: { stream?: { destroy(): void } } };
  connection?.stream?.destroy();
}

async function withDeadline<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  work.catch(() => undefined);
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  return Promise.race([work, deadline]).finally(() => clearTimeout(timer));
}
