/**
 * Finds runs whose deadline has passed. Claims that were never committed go back to their lane here; runs in progress are
 * handed to the engine, which decides what a silent worker means.
 */
import type { Clock } from "../../platform/clock";
import { defineLoop, type Loop } from "../../platform/loop";
import type { Logger } from "../../platform/logger";
import type { LiveRun, RunStore } from "../../runops/runStore";
import type { QueueIndex } from "../queueIndex/queueIndex";
import type { IndexControl } from "../queueIndex/control";
import { stallTimeoutMs, type StallTimeouts } from "../queueIndex/slotRules";

export type StallDeps = {
  index: Pick<QueueIndex, "overdue" | "release" | "enqueue" | "forget" | "beat">;
  control: IndexControl;
  store: Pick<RunStore, "getLive">;
  clock: Clock;
  log: Logger;
  timeouts: StallTimeouts;
  /** The engine's verdict on runs in progress; it must move their deadline, release or forget them, or they come again. */
  onOverdue(runIds: readonly string[]): Promise<void>;
};

const STALLS_EVERY_MS = 1_000;
/** When the loop itself was away this long, silence proves nothing: workers could not have been heard. */
const AWAY_MS = 5_000;
const PER_PASS = 500;

/** Builds the stopped loop. */
export function createStallLoop(deps: StallDeps): Loop {
  /** End of the last complete pass; the time before the first one counts as away. */
  let lastMs = Number.NEGATIVE_INFINITY;
  return defineLoop({
    name: "queue-index-stalls",
    everyMs: STALLS_EVERY_MS,
    log: deps.log,
    run: async () => {
      if (deps.control.adopted()?.mode !== "ready") return;
      const wasAway = deps.clock.now() - lastMs > AWAY_MS;
      const found = wasAway ? await grantAgain(deps) : await settleOverdue(deps);
      if (!wasAway || found < PER_PASS) lastMs = deps.clock.now();
      return found < PER_PASS ? STALLS_EVERY_MS : 0;
    },
  });
}

/** Gives every overdue entry one fresh timeout. Returns how many were looked at. */
async function grantAgain(deps: StallDeps): Promise<number> {
  const nowMs = deps.clock.now();
  const ids = await deps.index.overdue(nowMs, PER_PASS);
  if (ids.length === 0) return 0;
  const live = await deps.store.getLive(ids);
  await deps.index.forget(ids.filter((id) => !live.has(id)));
  await deps.index.beat([...live.values()].map((run) => ({ runId: run.id, deadlineMs: nowMs + stallTimeoutMs(run.state, deps.timeouts) })));
  deps.log.info("queue_index.deadlines_granted", { runs: live.size });
  return ids.length;
}

async function settleOverdue(deps: StallDeps): Promise<number> {
  const ids = await deps.index.overdue(deps.clock.now(), PER_PASS);
  if (ids.length === 0) return 0;
  const live = await deps.store.getLive(ids);
  const queued = [...live.values()].filter((run) => run.state === "QUEUED");
  const inProgress = [...live.values()].filter((run) => run.state !== "QUEUED");
  await offerAgain(deps, queued);
  // Ended: the slot, if any is left, is the audit's to free.
  await deps.index.forget(ids.filter((id) => !live.has(id)));
  if (inProgress.length > 0) await deps.onOverdue(inProgress.map((run) => run.id));
  return ids.length;
}

/** The claim's lease ended before its commit. */
async function offerAgain(deps: StallDeps, runs: readonly LiveRun[]): Promise<void> {
  if (runs.length === 0) return;
  const holders = await deps.control.holders(runs.map((run) => ({ runId: run.id, envId: run.envId })));
  const claims = runs.filter((run) => holders.get(run.id)?.startsWith("c") ?? false);
  deps.log.info("queue_index.claims_expired", { runs: claims.length });
  await Promise.all([
    deps.index.release(claims.map((run) => ({ runId: run.id, lane: run.lane, claim: Number(holders.get(run.id)?.slice(1)) }))),
    deps.index.enqueue(runs.map((run) => ({ runId: run.id, lane: run.lane, score: run.score }))),
    deps.index.forget(runs.filter((run) => !claims.includes(run)).map((run) => run.id)),
  ]);
}
