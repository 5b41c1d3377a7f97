/** The rows of steps, written in the same transaction as the phase. */
import { toPostgresJson } from "../../environments/postgresJson";
import { loadScript } from "../../platform/scripts.server";
import { isTerminal, PHASES, STATUS_OF_PHASE, type Step } from "../phases";
import type { DeploymentRecord } from "../ports";
import { fullText, summarize } from "../stepError";
import type { PoolClient } from "../../platform/db.server";
import type { DeploymentRun } from "./deploymentRun";
import { DeployError } from "./errors";
import { guarded } from "./guard.server";

const START_SQL = loadScript("deployments/workflow/sql/step-start.sql");
const END_SQL = loadScript("deployments/workflow/sql/step-end.sql");
const ENTER_SQL = loadScript("deployments/workflow/sql/phase-enter.sql");
const READ_SQL = "SELECT ended_at, error, outcome FROM deployment_step WHERE deployment_id = $1 AND step = $2";

/** What opening a step found. `skip`: it was done before, this is what it left. `done`: the deployment is ready. */
export type StepStart =
  | { kind: "run"; startedAtMs: number; deadlineMs: number; attempt: number }
  | { kind: "skip"; outcome: unknown }
  | { kind: "done" }
  | { kind: "cancelled" | "ended"; message: string };

/** While a CLI waits for the answer, all steps together end within this time after the creation. */
const HELD_TOTAL_MS = 18 * 60_000;

const SAID: Record<Step, string> = {
  queued: "Waiting for a build slot.",
  starting: "Checking regions and settings.",
  building: "Building.",
  deploying: "Starting replicas.",
  network: "Routing runs to the regions.",
  finalizing: "Finalizing.",
};

/** Enters the phase of a step and opens its row, unless the deployment has ended, is cancelled, or is past it. */
export function startStep(run: DeploymentRun, step: Step): Promise<StepStart> {
  return guarded(run.deps.pool, run, async (tx, row) => {
    const stopped = whyNot(row);
    if (stopped) return stopped;
    const { rows } = await tx.query<{ ended_at: Date | null; error: string | null; outcome: unknown }>(READ_SQL, [row.id, step]);
    const before = rows[0];
    const endedWell = before !== undefined && before.ended_at !== null && before.error === null;
    if (endedWell || PHASES.indexOf(row.phase) > PHASES.indexOf(step)) return { kind: "skip", outcome: before?.outcome ?? null };
    return open({ run, tx, row, step });
  });
}

async function open({ run, tx, row, step }: { run: DeploymentRun; tx: PoolClient; row: DeploymentRecord; step: Step }): Promise<StepStart> {
  const now = new Date(run.deps.clock.now());
  await tx.query(ENTER_SQL, [row.id, step, STATUS_OF_PHASE[step], now, run.epoch]);
  const { rows } = await tx.query<{ startedAt: Date; attempt: number }>(START_SQL, [row.id, step, now]);
  const opened = rows[0];
  if (!opened) throw new Error("A step was not opened.");
  await run.deps.events.append(tx, row.id, [{ step, level: "info", body: SAID[step] }]);
  const startedAtMs = opened.startedAt.getTime();
  const own = startedAtMs + run.deps.deadlinesMs[step];
  const total = row.holdRequests > 0 ? row.createdAt.getTime() + HELD_TOTAL_MS : Infinity;
  return { kind: "run", startedAtMs, deadlineMs: Math.min(own, total), attempt: opened.attempt };
}

/** Why nothing more may be done for a deployment, or null. */
export function whyNot(row: DeploymentRecord): Extract<StepStart, { kind: "done" | "cancelled" | "ended" }> | null {
  if (row.phase === "ready" || row.phase === "stopped") return { kind: "done" };
  const reason = row.canceledReason ?? row.cancelReason;
  if (row.phase === "cancelled" || row.cancelRequestedAt) return { kind: "cancelled", message: reason ?? "Cancelled by user" };
  if (isTerminal(row.phase)) return { kind: "ended", message: row.errorData?.message ?? reason ?? "The deployment has ended." };
  return null;
}

/** The same as an error, for waits and for steps that are under way. */
export function throwIfStopped(row: DeploymentRecord): void {
  const stopped = whyNot(row);
  if (!stopped) return;
  if (stopped.kind === "done") throw new DeployError("ended", "The deployment is ready already.");
  throw new DeployError(stopped.kind, stopped.message);
}

/** Closes a step with what it left, or with its error. The first to close it wins, so a cancel keeps its own words. */
export function endStep(run: DeploymentRun, step: Step, end: { outcome: unknown } | { error: Error }): Promise<void> {
  return guarded(run.deps.pool, run, async (tx) => {
    await closeStep(tx, { deploymentId: run.deploymentId, step, nowMs: run.deps.clock.now() }, end);
  });
}

/** The statement alone, for steps that close in a transaction of their own. */
export async function closeStep(
  tx: PoolClient,
  key: { deploymentId: string; step: Step; nowMs: number },
  end: { outcome: unknown } | { error: Error }
): Promise<void> {
  const at = [key.deploymentId, key.step, new Date(key.nowMs)];
  if ("error" in end) await tx.query(END_SQL, [...at, ...storable(end.error), null]);
  else await tx.query(END_SQL, [...at, null, null, end.outcome === null || end.outcome === undefined ? null : toPostgresJson(end.outcome)]);
}

/** Full text and summary of an error as the columns take them. */
export function storable(error: Error): [string, string] {
  return [clean(fullText(error)), summarize(clean(error.message))];
}

/** Postgres text holds no NUL, and half a surrogate pair is no text at all. */
function clean(text: string): string {
  return text.replaceAll("\u0000", "").toWellFormed();
}
