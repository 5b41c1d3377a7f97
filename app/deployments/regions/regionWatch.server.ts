/** Looks after regions while nothing calls: replicas of silent agents go to others, and rows that nobody needs go away. */
import { AGENT_SILENCE_MS } from "../../../agent/protocol";
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import type { Logger } from "../../platform/logger";
import { defineLoop, type Loop } from "../../platform/loop";
import type { PlanRegionService } from "./planRegion.server";

const EVERY_MS = 10_000;
const TIDY_EVERY_MS = 600_000;
/** Runs without a region of their own leave one that has had no agent for this long; they are looked for this often. */
const DESERTED_MS = 60_000;
const MOVE_EVERY_MS = 30_000;
const KEEP_CHANGES_MS = 86_400_000;
const KEEP_SILENT_INSTANCES_MS = 600_000;

const SILENT_SQL = "SELECT DISTINCT a.region_id FROM assignment s JOIN agent a ON a.id = s.agent_id WHERE a.last_seen_at < $1";
const LAST_SEEN_SQL =
  "SELECT r.name, max(a.last_seen_at) AS last_seen_at FROM region r LEFT JOIN agent a ON a.region_id = r.id WHERE r.can_schedule GROUP BY r.name";
const TRIM_CHANGES_SQL = "DELETE FROM deployment_change WHERE created_at < $1";
const TRIM_INSTANCES_SQL = "DELETE FROM deployment_instance WHERE last_seen_at < $1";

export type RegionWatchDeps = {
  pool: Pool;
  clock: Clock;
  log: Logger;
  plan: PlanRegionService;
  /** Moves queued runs that named no region; called only while another region has an agent. */
  moveQueuedRuns(move: { from: string; to: readonly string[] }): Promise<number>;
};

export class RegionWatch {
  readonly loop: Loop;
  private tidiedAt = Number.NEGATIVE_INFINITY;
  private movedAt = Number.NEGATIVE_INFINITY;
  private readonly startedAt: number;

  constructor(private readonly deps: RegionWatchDeps) {
    this.startedAt = deps.clock.now();
    this.loop = defineLoop({ name: "regions", everyMs: EVERY_MS, log: deps.log, run: () => this.look() });
  }

  private async look(): Promise<void> {
    const now = this.deps.clock.now();
    const { rows } = await this.deps.pool.query<{ region_id: string }>(SILENT_SQL, [new Date(now - AGENT_SILENCE_MS)]);
    for (const { region_id } of rows) await this.deps.plan.call(region_id);
    await this.leaveDeserted(now);
    await this.tidy(now);
  }

  private async leaveDeserted(now: number): Promise<void> {
    // Agents need a moment to come back after the server itself was away.
    if (now - this.startedAt < DESERTED_MS || now - this.movedAt < MOVE_EVERY_MS) return;
    this.movedAt = now;
    const { rows } = await this.deps.pool.query<{ name: string; last_seen_at: Date | null }>(LAST_SEEN_SQL);
    const seen = (row: { last_seen_at: Date | null }) => row.last_seen_at?.getTime() ?? 0;
    const to = rows.filter((row) => seen(row) >= now - AGENT_SILENCE_MS).map((row) => row.name);
    if (to.length === 0) return;
    for (const row of rows) {
      if (seen(row) >= now - DESERTED_MS) continue;
      const moved = await this.deps.moveQueuedRuns({ from: row.name, to });
      if (moved > 0) this.deps.log.warn("region.runs_moved", { region: row.name, to: to.join(", "), moved });
    }
  }

  private async tidy(now: number): Promise<void> {
    if (now - this.tidiedAt < TIDY_EVERY_MS) return;
    this.tidiedAt = now;
    await this.deps.pool.query(TRIM_CHANGES_SQL, [new Date(now - KEEP_CHANGES_MS)]);
    await this.deps.pool.query(TRIM_INSTANCES_SQL, [new Date(now - KEEP_SILENT_INSTANCES_MS)]);
  }
}
