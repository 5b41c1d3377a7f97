/** queued: gives way to a newer deployment where the environment wants that, then waits for a build slot. */
import { deploymentById } from "../../rows/deploymentRows.server";
import { endDeployment } from "../../rows/endDeployment.server";
import type { DeploymentRecord } from "../../ports";
import { readDeploySettings } from "../../settings.server";
import { enterLine, leaveLine } from "../buildSlots.server";
import type { DeploymentRun } from "../deploymentRun";
import { DeployError } from "../errors";
import { guarded } from "../guard.server";
import { throwIfStopped, whyNot } from "../stepRecords.server";
import type { OpenStep, StepDefinition } from "../withStep";

const PARENT_SQL = 'SELECT id, parent_id AS "parentId" FROM environment WHERE id = $1';
const NEWER_SQL =
  "SELECT id, version FROM deployment WHERE environment_id = $1 AND (created_at, id) > ($2, $3) AND coalesce(triggered_via, '') <> 'cli:manual' AND phase NOT IN ('failed', 'cancelled', 'superseded', 'skipped') ORDER BY created_at DESC, id DESC LIMIT 1";
const MANUAL = "cli:manual";
const SLOT_SQL = "SELECT state FROM build_slot WHERE deployment_id = $1";

export const queuedStep: StepDefinition<null> = {
  step: "queued",
  prepare: (run) => run.undo.push({ name: "slot", done: "Gave the build slot back.", run: () => releaseSlot(run) }),
  work: async (run, open) => {
    await run.durable.step("queued.line", () => standInLine(run));
    for (;;) {
      const seen = await run.durable.waitFor("queued.slot", open.deadlineMs, () => look(run));
      if (seen === "slot") return null;
      if (seen === null) throw new DeployError("timed_out", timeoutText(open));
      const superseded = await run.durable.step("queued.supersede", () => giveWay(run));
      if (superseded) throw new DeployError("superseded", superseded);
    }
  },
};

function timeoutText(open: OpenStep): string {
  const minutes = Math.max(1, Math.round((open.deadlineMs - open.startedAtMs) / 60_000));
  return `No build slot became available within ${minutes} minutes. Too many builds are queued.`;
}

function standInLine(run: DeploymentRun): Promise<void> {
  const { deploymentId, deps } = run;
  return guarded(deps.pool, run, async (tx, row) => {
    throwIfStopped(row);
    await enterLine(tx, deps, { deploymentId, nowMs: deps.clock.now() });
  });
}

function releaseSlot(run: DeploymentRun): Promise<void> {
  const { deploymentId, deps } = run;
  return guarded(deps.pool, run, (tx) => leaveLine(tx, deps, { deploymentId, nowMs: deps.clock.now() }));
}

/** `newer`: another deployment takes this one's place. Reads only. */
async function look({ deploymentId, deps: { pool } }: DeploymentRun): Promise<"slot" | "newer" | null> {
  const row = await deploymentById(pool, deploymentId);
  if (!row) throw new DeployError("ended", "The deployment was deleted.");
  throwIfStopped(row);
  if (await newerThan(row, pool)) return "newer";
  const { rows } = await pool.query<{ state: string }>(SLOT_SQL, [deploymentId]);
  return rows[0]?.state === "active" ? "slot" : null;
}

async function newerThan(row: DeploymentRecord, db: Parameters<typeof deploymentById>[0]): Promise<{ id: string; version: string } | null> {
  // Someone who deploys by hand waits for the answer.
  if (row.triggeredVia === MANUAL) return null;
  const { rows: places } = await db.query<{ id: string; parentId: string | null }>(PARENT_SQL, [row.environmentId]);
  const place = places[0];
  if (!place || !(await readDeploySettings(db, place)).supersedeQueued) return null;
  const { rows } = await db.query<{ id: string; version: string }>(NEWER_SQL, [row.environmentId, row.createdAt, row.id]);
  return rows[0] ?? null;
}

/** The text when it gave way; null when the newer one is gone again. */
function giveWay(run: DeploymentRun): Promise<string | null> {
  return guarded(run.deps.pool, run, async (tx, row) => {
    if (row.phase === "superseded") return row.canceledReason;
    if (whyNot(row)) return null;
    const newer = await newerThan(row, tx);
    if (!newer) return null;
    const message = `Superseded by newer deployment ${newer.version}`;
    await endDeployment(tx, run.deps, {
      ...{ deploymentId: row.id, phase: "superseded", message, code: "superseded", supersededById: newer.id },
      nowMs: run.deps.clock.now(),
    });
    return message;
  });
}
