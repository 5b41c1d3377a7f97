/** The confirm step of promote, rollback and "keep this version": what changes, what stays, and why not. */
import { deploymentById } from "../../deployments/rows/deploymentRows.server";
import { isTerminal } from "../../deployments/phases";
import type { DeploymentRecord } from "../../deployments/ports";
import type { Direction, PromotionDecision } from "../../deployments/promotion/decidePromotion";
import type { EnvironmentView, TaskConfig, WorkerVersion } from "../../environments/types";
import { loadScript } from "../../platform/scripts.server";
import { formatDuration, listTime, plural } from "../../utils/format";
import type { App } from "../../wiring.server";
import type { Words } from "../views";
import { decide } from "./actions.server";
import { commitOf } from "./commit";
import { changedTasks, names, runsWords } from "./facts.server";
import { deploymentOfCode } from "../../deployments/rows/findByShortCode.server";
import { periodsOf } from "./list/periods";
import { readRegions } from "./regionCards.server";
import { readMoves, readPointerFacts, type NamedMove, type Pointer } from "./rows.server";
import { shownDeployment } from "./status";
import type { ChangePoint, ChangeSide, ChangeView } from "./views";

const VARIABLES_SQL = loadScript("presenters/deployments/sql/variables-since.sql");
const MOST_VARIABLES = 20;

export type ChangeInput = { env: EnvironmentView; base: string; code: string; direction: Direction; who: string; timeZone: string };
type ChangeApp = Pick<App, "deployments" | "environments" | "index" | "clock">;

type Facts = ChangeInput & {
  nowMs: number;
  target: DeploymentRecord;
  current: DeploymentRecord | null;
  pointer: Pointer | null;
  decision: PromotionDecision;
  moves: NamedMove[];
  workers: { target: WorkerVersion | null; current: WorkerVersion | null };
  counts: { running: number; queued: number } | null;
  variables: string[];
};

/** Throws AppError 404 for a deployment of another environment. What cannot be done is answered with its refusal. */
export async function presentChange(app: ChangeApp, input: ChangeInput): Promise<ChangeView> {
  const facts = await readFacts(app, input);
  const { target, current, env, decision, base } = facts;
  const kind = decision.kind === "confirm" ? "confirm" : input.direction;
  const from = current && current.id !== target.id ? await sideOf(app, facts, current) : null;
  const words = WORDS[kind];
  return {
    kind,
    envSlug: env.slug,
    from,
    to: await sideOf(app, facts, target),
    intro: decision.kind === "refuse" ? null : words.intro(facts),
    changes: kind === "confirm" ? confirmChanges(facts) : swapChanges(facts, kind),
    stays: stays(facts, kind),
    doLabel: words.does(target.version),
    busyLabel: words.busy,
    keepLabel: from ? `Keep ${from.version}` : kind === "confirm" ? "Leave it paused" : "Back to the list",
    keepHref: `${base}/deployments`,
    recorded: recordedText(facts, kind),
    command: `curl -X POST -H "Authorization: Bearer $TRIGGER_SECRET_KEY" \\\n  $TRIGGER_API_URL/api/v1/deployments/${target.version}/${input.direction}`,
    refusal: decision.kind === "refuse" ? decision.text : null,
  };
}

async function readFacts(app: ChangeApp, input: ChangeInput): Promise<Facts> {
  const { env } = input;
  const { pool } = app.deployments;
  const target = await deploymentOfCode(pool, env, input.code);
  const pointer = await readPointerFacts(pool, env.id);
  const [current, moves, counts] = await Promise.all([
    pointer ? deploymentById(pool, pointer.currentId) : null,
    readMoves(pool, env.id, pointer ? [target.id, pointer.currentId] : [target.id]),
    app.index.counts(env.id).catch(() => null),
  ]);
  const [targetWorker, currentWorker] = await Promise.all([workerOf(app, target), workerOf(app, current)]);
  const leftAt = periodsOf(moves, target.id).at(-1)?.to ?? null;
  const variables =
    leftAt === null
      ? []
      : (await pool.query<{ key: string }>(VARIABLES_SQL, [env.id, new Date(leftAt), MOST_VARIABLES])).rows.map((row) => row.key);
  const decision = decide(
    {
      ...target,
      hasWorker: target.workerVersionId !== null,
      hasRelease: target.releaseDigest !== null,
      bundleThere: false,
      inUse: false,
      current: pointer && { id: pointer.currentId, version: pointer.currentVersion },
      isRolledBack: pointer?.isRolledBack ?? false,
    },
    input.direction
  );
  const workers = { target: targetWorker, current: currentWorker };
  return { ...input, nowMs: app.clock.now(), target, current, pointer, decision, moves, workers, counts, variables };
}

function workerOf(app: ChangeApp, row: DeploymentRecord | null): Promise<WorkerVersion | null> {
  return row?.workerVersionId ? app.environments.workerVersion(row.workerVersionId) : Promise.resolve(null);
}

async function sideOf(app: ChangeApp, facts: Facts, row: DeploymentRecord): Promise<ChangeSide> {
  const { cards } = await readRegions(app.deployments.pool, row.id, facts.nowMs);
  const worker = row.id === facts.target.id ? facts.workers.target : facts.workers.current;
  const period = periodsOf(facts.moves, row.id).at(-1);
  const lived = period ? formatDuration((period.to ?? facts.nowMs) - period.from) : null;
  const live = lived === null ? "Never current" : `${period?.to === null ? "Live for" : "Was live for"} ${lived}`;
  const regions = cards
    .filter((card) => card.desired > 0)
    .map((card) => `${card.region} ${Math.min(card.running, card.desired)}/${card.desired}`);
  return {
    version: row.version,
    status: shownDeployment(row.phase, row.status),
    commit: commitOf(row),
    summary: [live, worker ? plural(worker.tasks.size, "task") : "", ...regions].filter(Boolean).join(", "),
  };
}

type Kind = ChangeView["kind"];
const WORDS: Record<Kind, { does: (version: string) => string; busy: string; intro: (facts: Facts) => string }> = {
  promote: {
    does: (version) => `Promote ${version}`,
    busy: "Promoting…",
    intro: (facts) => `New runs start on ${facts.target.version} ${soon(facts)}`,
  },
  rollback: {
    does: (version) => `Roll back to ${version}`,
    busy: "Rolling back…",
    intro: (facts) => `New runs start on ${facts.target.version} ${soon(facts)}`,
  },
  confirm: {
    does: (version) => `Keep ${version} and resume`,
    busy: "Confirming…",
    intro: (facts) => `${facts.target.version} stays current. Automatic promotion resumes with the next deployment.`,
  },
};

function soon({ decision }: Facts): string {
  const wakes = decision.kind === "swap" && decision.wake;
  return wakes
    ? "once its replicas are healthy again, which may take a minute. Nothing is rebuilt."
    : "as soon as it is current, usually within 0.1 s. Nothing is rebuilt.";
}

function swapChanges(facts: Facts, kind: "promote" | "rollback"): ChangePoint[] {
  const { target, counts, workers, decision } = facts;
  const queued = counts?.queued ? [`So do ${runsWords(counts.queued)} that wait and are not locked to a version.`] : [];
  const points: ChangePoint[] = [{ icon: "run", title: ["New runs start on ", { code: target.version }], text: queued }];
  if (decision.kind === "swap" && decision.wake) points.push(WAKES);
  if (workers.target && workers.current) points.push(...taskChanges(workers.current, workers.target));
  return [...points, ...promotionChanges(facts, kind)];
}

const WAKES: ChangePoint = {
  icon: "run",
  title: ["Its replicas are started first"],
  text: ["They were stopped. If they do not become healthy, nothing changes."],
};

function promotionChanges({ pointer }: Facts, kind: "promote" | "rollback"): ChangePoint[] {
  if (kind === "rollback" && pointer) {
    const text = "Later deployments become ready, not current, until you promote one or confirm this version.";
    return [{ icon: "pause", title: ["Automatic promotion pauses"], text: [text] }];
  }
  if (kind !== "promote" || !pointer?.isRolledBack) return [];
  return [{ icon: "check", title: ["Automatic promotion resumes"], text: ["The environment is not rolled back any more."] }];
}

function taskChanges(from: WorkerVersion, to: WorkerVersion): ChangePoint[] {
  const { added, removed } = changedTasks(from, to);
  const schedules = scheduleChanges(from, to);
  const points: ChangePoint[] = [];
  if (removed.length > 0)
    points.push({
      icon: "task",
      title: [`${plural(removed.length, "task")} ${removed.length === 1 ? "goes" : "go"} away`],
      text: [...names(removed), `. Triggers for ${removed.length === 1 ? "it" : "them"} wait as pending version.`],
    });
  if (added.length > 0)
    points.push({
      icon: "task",
      title: [`${plural(added.length, "task")} ${added.length === 1 ? "is" : "are"} added`],
      text: names(added),
    });
  if (schedules.length > 0)
    points.push({
      icon: "clock",
      title: [`${plural(schedules.length, "schedule")} ${schedules.length === 1 ? "changes" : "change"}`],
      text: schedules.flat(),
    });
  return points;
}

function scheduleChanges(from: WorkerVersion, to: WorkerVersion): Words[] {
  const slugs = [...new Set([...from.tasks.keys(), ...to.tasks.keys()])].sort();
  return slugs.flatMap((slug) => {
    const [before, after] = [cronOf(from.tasks.get(slug)), cronOf(to.tasks.get(slug))];
    if (before === after) return [];
    if (after === null) return [[{ code: slug }, " stops. "] as Words];
    return [[{ code: slug }, before === null ? ` runs at ${after}. ` : ` moves from ${before} to ${after}. `] as Words];
  });
}

function cronOf(task: TaskConfig | undefined): string | null {
  return task?.schedule ? `${task.schedule.cron} ${task.schedule.timezone}` : null;
}

function confirmChanges({ pointer, nowMs, timeZone }: Facts): ChangePoint[] {
  const since = pointer?.rolledBackAt ? ` It is paused since ${listTime(pointer.rolledBackAt.getTime(), nowMs, timeZone)}.` : "";
  const left = pointer?.leftVersion;
  return [
    { icon: "check", title: ["Automatic promotion resumes"], text: [`The next deployment that becomes ready becomes current.${since}`] },
    ...(left
      ? [
          {
            icon: "pause" as const,
            title: [{ code: left }, " is stopped in 30 min"] as Words,
            text: ["It was kept warm for the way back."] as Words,
          },
        ]
      : []),
  ];
}

function stays({ current, target, counts, variables }: Facts, kind: Kind): ChangePoint[] {
  const points: ChangePoint[] = [];
  if (kind === "confirm") points.push({ icon: "run", title: ["New runs start on ", { code: target.version }], text: ["As they do now."] });
  else if (current) {
    const warm = kind === "rollback" ? "Its instances stay warm for 24 h." : "Idle instances are stopped after 30 min.";
    const running = counts?.running ?? 0;
    const flight = running === 0 ? "Runs in flight finish" : `${runsWords(running)} in flight ${running === 1 ? "finishes" : "finish"}`;
    const began = running === 1 ? "it began on" : "they began on";
    points.push({ icon: "flight", title: [`${flight} on the version ${began}`], text: [`Their retries and children too. ${warm}`] });
  }
  const changed: Words =
    variables.length === 0
      ? ["They belong to the environment, not to a version."]
      : [`${variables.length} changed since it was current: `, ...names(variables), "."];
  points.push({ icon: "variables", title: ["Environment variables are not reverted"], text: changed });
  points.push({ icon: "data", title: ["Your data is not touched"], text: ["Migrations, sent mail and finished runs are not undone."] });
  points.push({
    icon: "queue",
    title: ["Queue limits and pauses keep their values"],
    text: ["As set on the dashboard or through the API."],
  });
  return points;
}

function recordedText({ who, current, target, pointer }: Facts, kind: Kind): string {
  const recorded = `Recorded in the promotion history as ${who}.`;
  if (kind === "confirm") return pointer?.leftVersion ? `${recorded} ${pointer.leftVersion} can still be promoted.` : recorded;
  if (!current || current.id === target.id || !isTerminal(current.phase)) return recorded;
  return kind === "rollback"
    ? `${recorded} Undo it by promoting ${current.version}.`
    : `${recorded} Undo it by rolling back to ${current.version}.`;
}
