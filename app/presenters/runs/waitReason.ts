/** Why a run does not move, computed from its state and the limits around it. Pure. */
import type { EnvironmentSlug } from "../../environments/types";
import { clockTime, formatCount, formatDuration } from "../../utils/format";
import type { ShownStatus, WaitReason, Words } from "../views";

/** Everything the answer depends on; gathered once a page for all its rows. */
export type EnvironmentFacts = {
  slug: EnvironmentSlug;
  paused: boolean;
  running: number;
  limit: number;
  /** Null where no dev session is needed. */
  devConnected: boolean | null;
};
export type QueueFacts = { name: string; paused: boolean; running: number; queued: number; limit: number | null };
export type RunFacts = {
  status: ShownStatus;
  task: string;
  queue: string;
  attempt: number;
  maxAttempts: number | null;
  dueAt: number | null;
  /** Stored reason of a run that waits for a version. */
  reason: string | null;
  lastError: string | null;
};
type Facts = { run: RunFacts; env: EnvironmentFacts; queue: QueueFacts; nowMs: number; timeZone: string };

/** The reason, or null for a run that works or has ended. */
export function waitReasonOf(facts: Facts): WaitReason | null {
  switch (facts.run.status) {
    case "DELAYED":
      return delayed(facts);
    case "PENDING_VERSION":
      return pendingVersion(facts);
    case "RETRYING":
      return retrying(facts);
    case "QUEUED":
      return queued(facts);
    case "DEQUEUED":
      return sentence("Handed to a worker", ["A worker took this run and has not started its attempt yet."], ["Handed to a worker"]);
    case "WAITING":
      return sentence(
        "Waiting for what it called",
        ["This run waits for child runs, a token or time. It holds no slot while it waits."],
        ["Waits for what it called"]
      );
    default:
      return null;
  }
}

function delayed({ run, nowMs, timeZone }: Facts): WaitReason {
  if (run.dueAt === null) return sentence("Delayed", ["Starts at the time that its trigger asked for."], ["Delayed"]);
  const when = `Starts in ${formatDuration(run.dueAt - nowMs)}, at ${clockTime(run.dueAt, timeZone)}`;
  return sentence(when, ["The trigger asked for this delay. It is queued when the time comes."], [when]);
}

function pendingVersion({ run, env }: Facts): WaitReason {
  const what: Words = ["No version in ", { code: env.slug }, " has the task ", { code: run.task }];
  const next =
    env.slug === "dev"
      ? " It is queued as soon as a dev session registers that task."
      : " It is queued as soon as a version with that task is deployed.";
  return {
    title: "Waiting for a version that has its task",
    text: run.reason ? [`${run.reason}${/[.!?]$/.test(run.reason) ? "" : "."}${next}`] : [...what, `.${next}`],
    short: run.reason ? [run.reason] : what,
  };
}

function retrying({ run, nowMs, timeZone }: Facts): WaitReason {
  const next = run.attempt + 1;
  const which = run.maxAttempts ? `Attempt ${next} of ${run.maxAttempts}` : `Attempt ${next}`;
  const inMs = run.dueAt === null ? null : run.dueAt - nowMs;
  const when = inMs === null || inMs <= 0 ? `${which} is about to start` : `${which} in ${formatDuration(inMs)}`;
  const at = run.dueAt !== null && inMs !== null && inMs > 0 ? ` It starts at ${clockTime(run.dueAt, timeZone)}.` : "";
  const error = run.lastError ? ` Last error: ${run.lastError}` : "";
  return sentence(when, [`Attempt ${run.attempt} failed.${at}${error}`], [`${when}.${error}`]);
}

function queued(facts: Facts): WaitReason {
  return paused(facts) ?? noWorker(facts) ?? full(facts) ?? inLine(facts);
}

function paused({ env, queue }: Facts): WaitReason | null {
  if (env.paused) {
    const short: Words = ["Environment ", { code: env.slug }, " is paused"];
    return { title: "The environment is paused", text: [...short, ". Runs are accepted and start when it is resumed."], short };
  }
  if (!queue.paused) return null;
  const short: Words = ["Queue ", { code: queue.name }, " is paused"];
  return { title: "Its queue is paused", text: [...short, ". Runs are accepted and start when it is resumed."], short };
}

function noWorker({ env }: Facts): WaitReason | null {
  if (env.devConnected !== false) return null;
  return {
    title: "No dev worker is connected",
    text: ["Start one in your project with ", { code: "npx trigger.dev@4.8.3 dev" }, ". The run starts as soon as it is connected."],
    short: ["No dev worker is connected"],
  };
}

function full({ env, queue }: Facts): WaitReason | null {
  if (queue.limit !== null && queue.running >= queue.limit) {
    const ahead = aheadOf(queue);
    const short: Words = ["Queue ", { code: queue.name }, ` is full (${queue.running} of ${queue.limit})${ahead ? `, ${ahead}` : ""}`];
    const text: Words = [
      "Queue ",
      { code: queue.name },
      ` runs ${queue.running} of ${queue.limit} at once${ahead ? `, ${ahead}` : ""}. It starts when one of them ends.`,
    ];
    return { title: "Its queue is full", text, short };
  }
  if (env.running < env.limit) return null;
  const short: Words = [`Environment limit reached (${formatCount(env.running)} of ${formatCount(env.limit)})`];
  return {
    title: "The environment's limit is reached",
    text: [...short, ". It starts when a run of the environment ends or waits."],
    short,
  };
}

function inLine({ queue }: Facts): WaitReason {
  const ahead = aheadOf(queue);
  const text: Words = [
    "It is in queue ",
    { code: queue.name },
    ahead ? `, ${ahead}. A worker takes it next.` : " and a worker takes it next.",
  ];
  return { title: "Next to be handed to a worker", text, short: ahead ? [`In line, ${ahead}`] : ["Next in line"] };
}

/** The index counts the whole queue: at most all the others are ahead. */
function aheadOf(queue: QueueFacts): string | null {
  const others = queue.queued - 1;
  if (others <= 0) return null;
  return others === 1 ? "1 other queued" : `${formatCount(others)} others queued`;
}

function sentence(title: string, text: Words, short: Words): WaitReason {
  return { title, text, short };
}
