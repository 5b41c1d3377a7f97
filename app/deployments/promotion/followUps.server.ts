/**
 * What has to happen after the pointer has moved and may happen a little later. A row per move is written with the move
 * itself, so a crash between the two loses nothing; a row whose move is not the newest any more does nothing.
 */
import type { Pool, PoolClient } from "../../platform/db.server";

const ENQUEUE_SQL = `INSERT INTO deployment_job (id, kind, environment_id, deployment_id, generation, next_at)
  VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING`;
const GENERATION_SQL = "SELECT generation FROM deployment_promotion WHERE environment_id = $1";

/** Every process releases waiting runs as soon as it hears of the move (milliseconds); the row is for when none did. */
const AFTER_MS = 1_000;

/** Runs that waited for a version with their task are offered again. */
export const RELEASE_WAITING_RUNS = "release_waiting_runs";

/** A row of `deployment_job`, as its handler needs it. */
export type FollowUp = { kind: string; environmentId: string; generation: number | null };

/** Handlers by kind: idempotent, and repeated by the loop that calls them until they do not throw. */
export type FollowUpHandlers = Record<typeof RELEASE_WAITING_RUNS, (job: FollowUp) => Promise<void>>;

export type Move = { environmentId: string; deploymentId: string; generation: number; nowMs: number };

/** In the transaction of the move. */
export async function enqueueFollowUps(tx: PoolClient, { environmentId, deploymentId, generation, nowMs }: Move): Promise<void> {
  const id = `${RELEASE_WAITING_RUNS}:${environmentId}:${generation}`;
  await tx.query(ENQUEUE_SQL, [id, RELEASE_WAITING_RUNS, environmentId, deploymentId, generation, new Date(nowMs + AFTER_MS)]);
}

export type FollowUpDeps = { pool: Pool; releaseWaitingRuns: (envId: string) => Promise<unknown> };

/** `releaseWaitingRuns` is the engine's `promotePendingVersions`. */
export function createFollowUpHandlers({ pool, releaseWaitingRuns }: FollowUpDeps): FollowUpHandlers {
  return {
    [RELEASE_WAITING_RUNS]: async ({ environmentId, generation }) => {
      const { rows } = await pool.query<{ generation: number }>(GENERATION_SQL, [environmentId]);
      // A newer move has a row of its own.
      if (generation !== null && rows[0]?.generation !== generation) return;
      await releaseWaitingRuns(environmentId);
    },
  };
}
