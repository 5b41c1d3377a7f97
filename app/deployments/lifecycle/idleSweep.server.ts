/** Plans the stop of versions that nobody uses any more. */
import { inTransaction, type Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { planStopUnlessPlanned } from "./plannedStops.server";
import type { VersionsInUse } from "./versionsInUse";

const CANDIDATES_SQL = loadScript("deployments/lifecycle/sql/idle-candidates.sql");
const PAGE = 200;

/** A branch is looked at now and then for days, so its versions stay longer. */
const PREVIEW_IDLE_MS = 6 * 3_600_000;
/** Time after the last promotion, demotion, wake or run. */
const IDLE_MS = 30 * 60_000;

type Candidate = { id: string; versionId: string | null; isPreview: boolean; isArchived: boolean };

export class IdleSweep {
  constructor(private readonly deps: { pool: Pool; versionsInUse: VersionsInUse }) {}

  /** Plans stops for now; whoever applies plans checks again under the lock. Returns how many. */
  async call(nowMs: number): Promise<number> {
    const { rows } = await this.deps.pool.query<Candidate>(CANDIDATES_SQL, [
      new Date(nowMs - PREVIEW_IDLE_MS),
      new Date(nowMs - IDLE_MS),
      PAGE,
    ]);
    const previews = rows.filter((row) => row.isPreview && !row.isArchived);
    const others = rows.filter((row) => !row.isPreview && !row.isArchived);
    const idle = [
      ...rows.filter((row) => row.isArchived),
      ...(await this.unused(previews, nowMs - PREVIEW_IDLE_MS)),
      ...(await this.unused(others, nowMs - IDLE_MS)),
    ];
    if (idle.length === 0) return 0;
    await inTransaction(this.deps.pool, async (tx) => {
      for (const { id } of idle) await planStopUnlessPlanned(tx, id, nowMs);
    });
    return idle.length;
  }

  private async unused(candidates: readonly Candidate[], sinceMs: number): Promise<Candidate[]> {
    const versionIds = candidates.flatMap(({ versionId }) => versionId ?? []);
    if (versionIds.length === 0) return [...candidates];
    const used = await this.deps.versionsInUse(versionIds, new Date(sinceMs));
    return candidates.filter(({ versionId }) => versionId === null || !used.has(versionId));
  }
}
