/**
 * A connection of its own to Postgres that listens to channels. It is made again when it ends, and probed all the time:
 * a connection that hangs ends only when TCP gives up, many minutes later.
 */
import pg from "pg";
import { withDeadline } from "./deadline";
import { errorMessage, type Logger } from "./logger";
import { defineLoop, type Loop } from "./loop";

export type ListenConnectionOptions = {
  /** Must reach Postgres without a transaction pooler in between. */
  databaseUrl: string;
  /** Shown in `pg_stat_activity`. */
  name: string;
  channels: readonly string[];
  connectTimeoutMs: number;
  probeEveryMs: number;
  /** For the orderly end of a connection that may hang. */
  endTimeoutMs: number;
  maxReconnectDelayMs: number;
  /** Runs on a new connection that listens already, before it counts. */
  prepare?(client: pg.Client): Promise<void>;
  /** After every connect: what was notified before it may have been missed. */
  onConnected(): void;
  onNotification(channel: string, payload: string): void;
  /** One round trip, bounded in time; a connection on which it fails is given up. */
  probe(client: pg.Client): Promise<unknown>;
  /** Once for each loss, not for the attempts to connect again. */
  onLost(reason: string): void;
  log: Logger;
};

export type ListenConnection = {
  /** Resolves when the first connection listens; rejects, and may be called again, when the database does not answer. */
  start(): Promise<void>;
  stop(): Promise<void>;
  isConnected(): boolean;
};

/** Builds a stopped connection. */
export function createListenConnection(options: ListenConnectionOptions): ListenConnection {
  return new Connection(options);
}

class Connection implements ListenConnection {
  private readonly loop: Loop;
  private client: pg.Client | null = null;
  private connecting: Promise<void> | undefined;
  private running = false;
  private delayMs = 0;

  constructor(private readonly options: ListenConnectionOptions) {
    const { name, probeEveryMs, log } = options;
    this.loop = defineLoop({ name, everyMs: probeEveryMs, log, run: () => this.beat() });
  }

  isConnected(): boolean {
    return this.client !== null;
  }

  async start(): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      await (this.connecting = this.connect());
    } catch (error) {
      this.running = false;
      throw error;
    }
    if (this.running) this.loop.start();
  }

  async stop(): Promise<void> {
    this.running = false;
    await this.connecting?.catch(() => undefined);
    await this.loop.stop();
    const client = this.client;
    this.client = null;
    if (client) await this.end(client);
  }

  /** One probe, or one attempt to connect; resolves with the time until the next. */
  private async beat(): Promise<number> {
    const { client } = this;
    try {
      if (client === null) await this.connect();
      else {
        await this.options.probe(client);
        this.delayMs = 0;
      }
      return this.options.probeEveryMs;
    } catch (error) {
      if (client) await this.lost(client, errorMessage(error));
      this.delayMs = Math.min(this.options.maxReconnectDelayMs, this.delayMs * 2 + 50);
      return this.delayMs;
    }
  }

  private async connect(): Promise<void> {
    const { options } = this;
    const client = new pg.Client({
      connectionString: options.databaseUrl,
      application_name: options.name,
      connectionTimeoutMillis: options.connectTimeoutMs,
      keepAlive: true,
    });
    client.on("error", (error) => this.ended(client, error.message));
    client.on("end", () => this.ended(client, "the connection ended"));
    client.on("notification", (message) => options.onNotification(message.channel, message.payload ?? ""));
    try {
      await client.connect();
      await client.query(options.channels.map((channel) => `LISTEN ${channel}`).join("; "));
      await options.prepare?.(client);
    } catch (error) {
      await this.end(client);
      throw error;
    }
    this.client = client;
    options.onConnected();
  }

  private ended(client: pg.Client, reason: string): void {
    if (this.client !== client) return;
    void this.lost(client, reason);
    this.loop.nudge();
  }

  private async lost(client: pg.Client, reason: string): Promise<void> {
    if (this.client !== client) return;
    this.client = null;
    if (this.running) this.options.onLost(reason);
    await this.end(client);
  }

  /** `end` of a hung connection waits for its query for ever; the socket itself is what must go. */
  private async end(client: pg.Client): Promise<void> {
    const ended = client.end().catch(() => undefined);
    await withDeadline(ended, this.options.endTimeoutMs).catch(() => destroySocket(client));
  }
}

function destroySocket(client: pg.Client): void {
  const { connection } = client as unknown as { connection?: { stream?: { destroy(): void } } };
  connection?.stream?.destroy();
}
