/**
 * One LISTEN connection of this process for the three channels of deployments. It carries hints only: whoever waits reads
 * the rows again by itself every few seconds, so a lost connection costs time and nothing else.
 */
import { withDeadline } from "../platform/deadline";
import { createListenConnection, type ListenConnection } from "../platform/listenConnection.server";
import { errorMessage, type Logger } from "../platform/logger";
import type { Phase } from "./phases";
import type { DeploymentFeed, Unsubscribe } from "./ports";

/** Every server process holds one connection of this name for as long as it runs. */
export const FEED_CONNECTION_NAME = "sluice-deployment-feed";
const CHANNELS = { deployment: "sluice_deployment", detail: "sluice_deployment_detail", topology: "sluice_topology" };
/** The one key of listeners that hear of every deployment. */
const ANY = "*";
const PROBE_PATIENCE_MS = 5_000;
const TIMING = { connectTimeoutMs: 5_000, probeEveryMs: 5_000, endTimeoutMs: 5_000, maxReconnectDelayMs: 5_000 };

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
  private readonly connection: ListenConnection;

  constructor({ databaseUrl, log }: { databaseUrl: string; log: Logger }) {
    this.deployments = new Listeners(log);
    this.environments = new Listeners(log);
    this.topologies = new Listeners(log);
    this.everywhere = new Listeners(log);
    this.connection = createListenConnection({
      databaseUrl,
      name: FEED_CONNECTION_NAME,
      channels: Object.values(CHANNELS),
      ...TIMING,
      onConnected: () => this.tellEveryone(),
      onNotification: (channel, payload) => this.heard(channel, payload),
      probe: (client) => withDeadline(client.query("SELECT 1"), PROBE_PATIENCE_MS),
      onLost: (reason) => log.warn("deployment_feed.connection_lost", { reason }),
      log,
    });
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

  start(): Promise<void> {
    return this.connection.start();
  }

  stop(): Promise<void> {
    return this.connection.stop();
  }

  private tellEveryone(): void {
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
}
