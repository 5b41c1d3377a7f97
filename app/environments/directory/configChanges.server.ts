/**
 * Changes of configuration, heard by every process within a second. Row triggers write `config_change` and NOTIFY in the
 * transaction of the change; this listens on a connection of its own and, twice a second, reads the tail of the table on
 * that same connection. The read proves that the connection lives, and finds what a pooler that swallows NOTIFY held
 * back. After any gap the listeners hear `everything`.
 */
import type pg from "pg";
import type { Clock } from "../../platform/clock";
import { withDeadline } from "../../platform/deadline";
import { createListenConnection, type ListenConnection } from "../../platform/listenConnection.server";
import { loadScript } from "../../platform/scripts.server";
import { errorMessage, type Logger } from "../../platform/logger";
import type { Freshness } from "./directoryCache";
import type { ConfigChange, ConfigChanges } from "../types";

const CHANNEL = "sluice_config_change";
/** Interval plus patience is the longest time for which a dead connection goes unnoticed: under a second. */
const ROUND_TRIP_EVERY_MS = 500;
const ROUND_TRIP_PATIENCE_MS = 450;
const TIMING = {
  connectTimeoutMs: 2_000,
  probeEveryMs: ROUND_TRIP_EVERY_MS,
  endTimeoutMs: ROUND_TRIP_PATIENCE_MS,
  maxReconnectDelayMs: 1_000,
};
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
  private readonly connection: ListenConnection;
  /** Every change up to this number was delivered, or its transaction was rolled back. */
  private floorSeq = 0;
  private newestSeq = 0;
  private gapSince: number | undefined;
  private proofAt = Number.NEGATIVE_INFINITY;
  private trimmedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: ConfigChangesOptions) {
    const { databaseUrl, log } = options;
    this.connection = createListenConnection({
      databaseUrl,
      name: "sluice-config-changes",
      channels: [CHANNEL],
      ...TIMING,
      prepare: (client) => this.beginAtNewest(client),
      onConnected: () => this.connected(),
      onNotification: (_channel, payload) => this.heard(payload),
      probe: (client) => this.roundTrip(client),
      onLost: (reason) => log.warn("config_changes.connection_lost", { reason }),
      log,
    });
  }

  subscribe(listener: (change: ConfigChange) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  healthy(): boolean {
    return this.connection.isConnected();
  }

  lastProofAt(): number {
    return this.proofAt;
  }

  start(): Promise<void> {
    return this.connection.start();
  }

  stop(): Promise<void> {
    return this.connection.stop();
  }

  private async beginAtNewest(client: pg.Client): Promise<void> {
    const { rows } = await client.query<{ seq: string | number }>(NEWEST_SQL);
    this.floorSeq = this.newestSeq = Number(rows[0]?.seq ?? 0);
    this.gapSince = undefined;
  }

  private connected(): void {
    this.proofAt = this.options.clock.now();
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
    await withDeadline(client.query(TRIM_SQL), ROUND_TRIP_PATIENCE_MS);
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
}

type TailRow = { seq: string | number; scope: string; entity_id: string };
