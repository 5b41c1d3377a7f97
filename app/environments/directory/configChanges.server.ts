/**
 * Changes of configuration, heard by every process within a second. Row triggers write `config_change` and NOTIFY in the
 * transaction of the change; this listens on a connection of its own and, twice a second, reads the tail of the table on
 * that same connection. The read proves that the connection lives, and finds what a pooler that swallows NOTIFY held
 * back. After any gap the listeners hear `everything`.
 */
import pg from "pg";
import type { Clock } from "../../platform/clock";
import { loadScript } from "../../platform/scripts.server";
import { errorMessage, type Logger } from "../../platform/logger";
import type { Freshness } from "./directoryCache";
import type { ConfigChange, ConfigChanges } from "../types";

const CHANNEL = "sluice_config_change";
/** Interval plus patience is the longest time for which a dead connection goes unnoticed: under a second. */
const ROUND_TRIP_EVERY_MS = 500;
const ROUND_TRIP_PATIENCE_MS = 450;
const CONNECT_TIMEOUT_MS = 2_000;
const MAX_RECONNECT_DELAY_MS = 1_000;
/** Rows a round trip reads; when there are more, hearing of `everything` is cheaper than hearing of each. */
const TAIL_LIMIT = 500;
/** A number that is missing for this long belongs to a transaction that was rolled back. */
const MAX_COMMIT_LAG_MS = 10_000;
const KEEP_CHANGES_EVERY_MS = 3_600_000;

const TAIL_SQL = loadScript("environments/sql/config-change-tail.sql");
const TRIM_SQL = loadScript("environments/sql/config-change-trim.sql");
const NEWEST_SQL = "SELECT coalesce(max(seq), 0) AS seq FROM config_change";

const SCOPES = ["environment", "key", "queue", "worker", "variables", "token", "user", "project", "organization", "flag"] as const;
const EVERYTHING: ConfigChange = { scope: "everything", id: null };

export type ListeningConfigChanges = ConfigChanges &
  Freshness & {
    /** Resolves when the first connection listens; rejects when the database does not answer. */
    start(): Promise<void>;
    stop(): Promise<void>;
  };

export type ConfigChangesOptions = { databaseUrl: string; clock: Clock; log: Logger };

/** Builds a stopped listener. Nothing is delivered, and nothing counts as fresh, before `start`. */
export function createConfigChanges(options: ConfigChangesOptions): ListeningConfigChanges {
  return new Listener(options);
}

class Listener implements ListeningConfigChanges {
  private readonly listeners = new Set<(change: ConfigChange) => void>();
  private readonly seen = new Set<number>();
  private client: pg.Client | null = null;
  private timer: NodeJS.Timeout | undefined;
  /** Every change up to this number was delivered, or its transaction was rolled back. */
  private floorSeq = 0;
  private newestSeq = 0;
  private gapSince: number | undefined;
  private proofAt = Number.NEGATIVE_INFINITY;
  private trimmedAt = Number.NEGATIVE_INFINITY;
  private alive = false;
  private running = false;
  private delayMs = 0;
  private work: Promise<void> = Promise.resolve();

  constructor(private readonly options: ConfigChangesOptions) {}

  subscribe(listener: (change: ConfigChange) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  healthy(): boolean {
    return this.alive;
  }

  lastProofAt(): number {
    return this.proofAt;
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
    this.schedule(ROUND_TRIP_EVERY_MS);
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

  /** One round trip, or one attempt to connect; returns the time until the next. */
  private async beat(): Promise<number> {
    try {
      if (this.client === null) {
        await this.connect();
        return ROUND_TRIP_EVERY_MS;
      }
      await this.roundTrip(this.client);
      this.delayMs = 0;
      return ROUND_TRIP_EVERY_MS;
    } catch (error) {
      await this.lost(errorMessage(error));
      this.delayMs = Math.min(MAX_RECONNECT_DELAY_MS, this.delayMs * 2 + 50);
      return this.delayMs;
    }
  }

  private async connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.options.databaseUrl,
      application_name: "sluice-config-changes",
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
    });
    client.on("error", (error) => void this.connectionEnded(client, error.message));
    client.on("end", () => void this.connectionEnded(client, "the connection ended"));
    client.on("notification", (message) => this.heard(message.payload ?? ""));
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      const { rows } = await client.query<{ seq: string | number }>(NEWEST_SQL);
      this.floorSeq = this.newestSeq = Number(rows[0]?.seq ?? 0);
      this.gapSince = undefined;
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
    this.client = client;
    this.proofAt = this.options.clock.now();
    this.alive = true;
    this.deliver(EVERYTHING);
  }

  private async roundTrip(client: pg.Client): Promise<void> {
    const startedAt = this.options.clock.now();
    const { rows } = await withDeadline(client.query<TailRow>(TAIL_SQL, [this.floorSeq, TAIL_LIMIT]), ROUND_TRIP_PATIENCE_MS);
    this.proofAt = startedAt;
    if (rows.length === TAIL_LIMIT) this.deliver(EVERYTHING);
    for (const row of rows) this.change(Number(row.seq), row.scope, row.entity_id);
    this.raiseFloor(startedAt);
    if (startedAt - this.trimmedAt < KEEP_CHANGES_EVERY_MS) return;
    this.trimmedAt = startedAt;
    await client.query(TRIM_SQL);
  }

  private heard(payload: string): void {
    const [seq, scope, ...id] = payload.split(" ");
    if (seq !== undefined && scope !== undefined) this.change(Number(seq), scope, id.join(" "));
  }

  /** Each change is delivered once, whether the notification or the tail brings it first. */
  private change(seq: number, scope: string, id: string): void {
    this.newestSeq = Math.max(this.newestSeq, seq);
    if (seq <= this.floorSeq || this.seen.has(seq)) return;
    this.seen.add(seq);
    const known = SCOPES.find((candidate) => candidate === scope);
    this.deliver(known ? { scope: known, id } : EVERYTHING);
  }

  /** Numbers are taken before their transactions commit: a missing one may still come, so the tail is read from before it. */
  private raiseFloor(now: number): void {
    while (this.seen.delete(this.floorSeq + 1)) this.floorSeq++;
    if (this.floorSeq >= this.newestSeq) {
      this.gapSince = undefined;
      return;
    }
    this.gapSince ??= now;
    if (now - this.gapSince < MAX_COMMIT_LAG_MS) return;
    this.floorSeq = this.newestSeq;
    this.gapSince = undefined;
    this.seen.clear();
  }

  private deliver(change: ConfigChange): void {
    for (const listener of this.listeners) {
      try {
        listener(change);
      } catch (error) {
        this.options.log.error("config_changes.listener_failed", { scope: change.scope, message: errorMessage(error) });
      }
    }
  }

  private async connectionEnded(client: pg.Client, reason: string): Promise<void> {
    if (this.client !== client) return;
    await this.lost(reason);
    this.schedule(0);
  }

  private async lost(reason: string): Promise<void> {
    if (this.alive && this.running) this.options.log.warn("config_changes.connection_lost", { reason });
    this.alive = false;
    await this.disconnect();
  }

  private async disconnect(): Promise<void> {
    const client = this.client;
    this.client = null;
    this.alive = false;
    if (!client) return;
    // `end` of a hung connection waits for its query for ever; the socket itself is what must go.
    const ended = client.end().catch(() => undefined);
    await withDeadline(ended, ROUND_TRIP_PATIENCE_MS).catch(() => destroySocket(client));
  }
}

type TailRow = { seq: string | number; scope: string; entity_id: string };

function destroySocket(client: pg.Client): void {
  const { connection } = client as unknown as { connection?: { stream?: { destroy(): void } } };
  connection?.stream?.destroy();
}

/** Rejects when `work` takes longer; a stalled event loop gets one turn to read an answer that is already there. */
async function withDeadline<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  work.catch(() => undefined);
  const deadline = new Promise<never>((_resolve, reject) => {
    const fail = () => reject(new Error(`no answer within ${ms} ms`));
    timer = setTimeout(() => setImmediate(() => setImmediate(fail)), ms);
  });
  return Promise.race([work, deadline]).finally(() => clearTimeout(timer));
}
