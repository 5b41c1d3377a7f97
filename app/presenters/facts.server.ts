/** What pages need to know of an environment to say why its runs wait. Read once a page, for all rows. */
import type { EnvironmentView, QueueView } from "../environments/types";
import type { QueueCounts } from "../engine/queueIndex/queueIndex";
import type { RunListItem } from "../runops/runStore";
import { publicStatus } from "../runops/runStates";
import type { App } from "../wiring.server";
import { errorLine, errorView } from "./runs/packets.server";
import { shownStatus, type ShownStatus, type WaitReason } from "./views";
import { waitReasonOf, type EnvironmentFacts, type QueueFacts, type RunFacts } from "./runs/waitReason";

export type FactsSource = Pick<App, "index" | "engine" | "environments">;
type Described = Omit<RunListItem, "completedAt" | "error"> & { lastErrorText?: string | null };

/** Everything around the runs of one environment at one moment. */
export type Surroundings = {
  env: EnvironmentFacts;
  /** Null when the index does not answer: then nothing is said about slots. */
  counts: QueueCounts | null;
  queues: ReadonlyMap<string, QueueFacts>;
};

/** Reads counts, pauses and presence. A part that does not answer is left out, the page works without it. */
export async function readSurroundings(app: FactsSource, env: EnvironmentView, queueNames: readonly string[]): Promise<Surroundings> {
  const names = [...new Set(queueNames)];
  const [counts, perQueue, queues, devConnected] = await Promise.all([
    app.index.counts(env.id).catch(() => null),
    app.index.queueCounts(env.id, names).catch(() => new Map<string, QueueCounts>()),
    app.environments.queues(env.id).catch((): QueueView[] => []),
    env.type === "DEVELOPMENT" ? app.engine.isDevConnected(env.id).catch(() => null) : Promise.resolve(null),
  ]);
  const known = new Map(queues.map((queue) => [queue.name, queue]));
  return {
    env: {
      slug: env.slug,
      paused: env.pausedAt !== null,
      running: counts?.running ?? 0,
      limit: Math.max(1, Math.floor(env.maxConcurrency * env.burstFactor)),
      devConnected,
    },
    counts,
    queues: new Map(names.map((name) => [name, queueFacts(name, known.get(name), perQueue.get(name))])),
  };
}

function queueFacts(name: string, view: QueueView | undefined, counts: QueueCounts | undefined): QueueFacts {
  return {
    name,
    paused: view?.pausedAt != null,
    running: counts?.running ?? 0,
    queued: counts?.queued ?? 0,
    limit: view?.limit ?? null,
  };
}

/** The status that pages show. */
export function statusOf(run: Pick<RunListItem, "status" | "state">): ShownStatus {
  return shownStatus(publicStatus(run.status), run.status, run.state);
}

/** Why this run does not move, or null. */
export function reasonFor(run: Described, around: Surroundings, at: { nowMs: number; timeZone: string }): WaitReason | null {
  const { header } = run;
  const queue = around.queues.get(header.queue) ?? queueFacts(header.queue, undefined, undefined);
  const facts: RunFacts = {
    status: statusOf(run),
    task: header.task,
    queue: header.queue,
    attempt: run.attempt,
    maxAttempts: header.options.maxAttempts ?? null,
    dueAt: run.dueAt?.getTime() ?? null,
    reason: run.reason,
    lastError: run.lastErrorText ?? null,
  };
  return waitReasonOf({ run: facts, env: around.env, queue, ...at });
}

/** One line of a stored error, for sentences and table cells. */
export function storedErrorLine(error: string | null): string | null {
  const view = errorView(error);
  return view ? errorLine(view) : null;
}
