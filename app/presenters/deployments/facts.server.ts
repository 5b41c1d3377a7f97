/** Beside the phases: what changes, what serves now, and the properties of the record. */
import { STEP_DEADLINES_MS, stepOfPhase } from "../../deployments/phases";
import { requiredRegions } from "../../deployments/readiness";
import type { WorkerVersion } from "../../environments/types";
import { formatBytes, formatCount, listTime, plural } from "../../utils/format";
import { friendlyId } from "../../utils/ids";
import { plainText } from "../../utils/ansi";
import type { Words } from "../views";
import type { PageFacts } from "./page.server";
import { periodsOf } from "./list/periods";
import { STEP_TITLES } from "../../utils/deploymentWords";
import { wasInterrupted } from "./status";
import type { RegionsOfDeployment } from "./regionCards.server";
import type { DeploymentView, FactView, OutcomeView, RegionCardView, TaskLine } from "./views";

const NONE = "none";
const MOST_NAMES = 8;

/** A banner that says what the end means for the runs of the environment; null while there is none. */
export function outcomeOf(facts: PageFacts): OutcomeView | null {
  const { row, pointer, base } = facts;
  if (row.phase === "failed" || wasInterrupted(row.phase)) return nothingChanged(facts);
  if (row.phase !== "ready" && row.phase !== "stopped") return null;
  if (pointer?.currentId === row.id || pointer === null) return null;
  if (periodsOf(facts.moves, row.id).length > 0) return null;
  const why = facts.logs.get("finalizing")?.lines.at(-1)?.text ?? "It was not promoted.";
  return {
    kind: "hold",
    title: [{ code: row.version }, " is ready, but not current."],
    text: plainText(why),
    link: { label: `View ${pointer.currentVersion}`, href: `${base}/deployments/${pointer.currentCode}` },
  };
}

function nothingChanged(facts: PageFacts): OutcomeView {
  const { row, pointer, base } = facts;
  const text = wasInterrupted(row.phase)
    ? `${plainText(row.canceledReason ?? "It was canceled").replace(/\.$/, "")}. What it had started is removed.`
    : "What this deployment had started is removed.";
  if (!pointer) return { kind: "hold", title: ["This environment has no current version yet."], text, link: null };
  return {
    kind: "ok",
    title: ["Nothing changed for your runs. ", { code: pointer.currentVersion }, " is still current."],
    text: [servingText(facts), text].filter(Boolean).join(" "),
    link: { label: `View ${pointer.currentVersion}`, href: `${base}/deployments/${pointer.currentCode}` },
  };
}

/** "2 regions, 4 of 4 instances healthy, serving since 15:08:11." */
function servingText({ currentPlaces, pointer, nowMs, timeZone }: PageFacts): string {
  const cards = servingCards(currentPlaces);
  if (!pointer || cards.length === 0) return "";
  const wanted = cards.reduce((sum, card) => sum + card.desired, 0);
  const running = cards.reduce((sum, card) => sum + Math.min(card.running, card.desired), 0);
  const since = listTime(pointer.promotedAt.getTime(), nowMs, timeZone);
  return `${plural(cards.length, "region")}, ${running} of ${plural(wanted, "instance")} healthy, serving since ${since}.`;
}

function servingCards(places: RegionsOfDeployment | null): RegionCardView[] {
  return (places?.cards ?? []).filter((card) => card.desired > 0);
}

/** "What changes" on the way, "Serving now" after a failure, "Promotion" of one that is ready. */
export function asideOf(facts: PageFacts): DeploymentView["aside"] {
  const { row } = facts;
  if (row.phase === "ready" || row.phase === "stopped") return { title: "Promotion", facts: promotionFacts(facts) };
  if (row.phase === "failed" || wasInterrupted(row.phase)) return { title: "Serving now", facts: servingFacts(facts) };
  return { title: "What changes", facts: changeFacts(facts) };
}

function changeFacts(facts: PageFacts): FactView[] {
  const { worker, currentWorker, pointer, row, autoPromote } = facts;
  const plan = row.skipPromotion ? "Not asked for (--skip-promotion)" : autoPromote ? "Automatic, when ready" : "By hand";
  const promotion = pointer?.isRolledBack ? "Paused: rolled back" : plan;
  const tasks =
    worker === null
      ? "Known after Building"
      : currentWorker
        ? `${worker.tasks.size}, was ${currentWorker.tasks.size}`
        : String(worker.tasks.size);
  return [
    { name: "Replaces", value: currentWords(facts) },
    { name: "Tasks", value: [tasks] },
    ...(worker && currentWorker ? taskDifference(currentWorker, worker) : []),
    { name: "Promotion", value: [promotion] },
  ];
}

function taskDifference(from: WorkerVersion, to: WorkerVersion): FactView[] {
  const { added, removed } = changedTasks(from, to);
  return [
    { name: "Added", value: names(added) },
    { name: "Removed", value: names(removed) },
  ];
}

/** Slugs that one version has and the other has not. */
export function changedTasks(from: WorkerVersion, to: WorkerVersion): { added: string[]; removed: string[] } {
  const missing = (a: WorkerVersion, b: WorkerVersion) => [...a.tasks.keys()].filter((slug) => !b.tasks.has(slug)).sort();
  return { added: missing(to, from), removed: missing(from, to) };
}

/** Names in monospace, with the rest as a count. */
export function names(all: readonly string[]): Words {
  if (all.length === 0) return [NONE];
  const shown = all.slice(0, MOST_NAMES).flatMap((name, i): Words => (i === 0 ? [{ code: name }] : [", ", { code: name }]));
  return all.length > MOST_NAMES ? [...shown, ` and ${all.length - MOST_NAMES} more`] : shown;
}

function servingFacts({ pointer, currentWorker, currentPlaces, executing, base, nowMs, timeZone }: PageFacts): FactView[] {
  const regions = servingCards(currentPlaces).map((card) => `${card.region} ${Math.min(card.running, card.desired)}/${card.desired}`);
  if (!pointer) return [{ name: "Current", value: [NONE] }];
  const paused = pointer.isRolledBack && pointer.rolledBackAt;
  return [
    { name: "Current", value: [{ code: pointer.currentVersion, href: `${base}/deployments/${pointer.currentCode}` }] },
    { name: "Since", value: [listTime(pointer.promotedAt.getTime(), nowMs, timeZone)] },
    ...(regions.length === 0 ? [] : [{ name: "Regions", value: [regions.join(", ")] }]),
    ...(currentWorker ? [{ name: "Tasks", value: [String(currentWorker.tasks.size)] }] : []),
    ...(executing === null ? [] : [{ name: "Executing", value: [plural(executing, "run")] }]),
    { name: "Promotion", value: [paused ? `Paused since ${listTime(paused.getTime(), nowMs, timeZone)}` : "Automatic"] },
  ];
}

function promotionFacts(facts: PageFacts): FactView[] {
  const { row, pointer, moves, nowMs, timeZone } = facts;
  const periods = periodsOf(moves, row.id);
  const last = periods.at(-1);
  const when = (ms: number) => listTime(ms, nowMs, timeZone);
  const isCurrent = pointer?.currentId === row.id;
  const was = last === undefined ? "Never current" : `${when(last.from)} to ${when(last.to ?? nowMs)}`;
  return [
    isCurrent && last ? { name: "Current since", value: [when(last.from)] } : { name: "Was current", value: [was] },
    ...(isCurrent ? [] : [{ name: "Current", value: currentWords(facts) }]),
    ...(facts.executing === null || !isCurrent ? [] : [{ name: "Executing", value: [plural(facts.executing, "run")] }]),
    { name: "Automatic", value: [automaticWords(facts)] },
  ];
}

function automaticWords({ pointer, autoPromote }: PageFacts): string {
  if (pointer?.isRolledBack) return "Paused: rolled back";
  return autoPromote ? "On" : "Off";
}

function currentWords({ pointer, base }: PageFacts): Words {
  return pointer ? [{ code: pointer.currentVersion, href: `${base}/deployments/${pointer.currentCode}` }] : [NONE];
}

/** The properties of the record. */
export function detailsOf(facts: PageFacts): FactView[] {
  const { row, more, worker, nowMs, timeZone } = facts;
  const moment = (name: string, at: Date | null) => (at ? [{ name, value: [listTime(at.getTime(), nowMs, timeZone)] }] : []);
  const optional = (name: string, value: Words | null) => (value === null ? [] : [{ name, value }]);
  return [
    { name: "Short code", value: [{ code: row.shortCode }] },
    { name: "Id", value: [{ code: friendlyId("deployment", row.id) }] },
    ...optional("Runtime", row.runtime ? [runtimeText(row.runtime, row.runtimeVersion)] : null),
    ...optional("SDK, CLI", worker ? [`${worker.sdkVersion}, ${worker.cliVersion}`] : null),
    { name: "Release", value: releaseWords(facts) },
    { name: "Readiness", value: [readinessWords(facts)] },
    ...optional("Deadline", deadlineWords(facts)),
    { name: "External ID", value: row.externalId ? [{ code: row.externalId }] : [NONE] },
    { name: "Triggered", value: [`${row.triggeredVia ?? "API"}${more.triggeredBy ? `, by ${more.triggeredBy}` : ""}`] },
    ...optional("Config file", row.configFilePath ? [{ code: row.configFilePath }] : null),
    ...optional("Repeats", more.redeployOf ? [{ code: more.redeployOf }] : null),
    ...optional("Superseded by", more.supersededBy ? [{ code: more.supersededBy }] : null),
    ...optional("Cancel reason", row.canceledReason ? [plainText(row.canceledReason)] : null),
    ...optional("Error", row.failureCode ? [{ code: errorName(facts) }] : null),
    ...moment("Created", row.createdAt),
    ...moment("Started", row.startedAt),
    ...moment("Built", row.builtAt),
    ...moment("Ready", row.deployedAt),
    ...moment("Failed", row.failedAt),
    ...moment("Canceled", row.canceledAt),
  ];
}

/** "node-24, on Node 20.20.2": what the project asked for, and what runs it. */
function runtimeText(asked: string, found: string | null): string {
  if (!found) return asked;
  const name = asked.startsWith("bun") ? "Bun" : "Node";
  return `${asked}, on ${name} ${found.replace(/^v/, "")}`;
}

/** What reports of clients and builders call "reported" has a better name in the error itself. */
function errorName({ row }: PageFacts): string {
  const name = row.errorData?.name;
  return row.failureCode === "reported" && name && name !== "Error" ? name : (row.failureCode ?? "");
}

function releaseWords({ row, more }: PageFacts): Words {
  if (row.releaseDigest === null) return [row.phase !== "failed" ? NONE : row.builtAt ? "removed" : "none, build failed"];
  const digest = row.releaseDigest.replace(/^(sha256:)?([0-9a-f]{6})[0-9a-f]*([0-9a-f]{4})$/, "sha256:$2…$3");
  return more.releaseBytes === null ? [{ code: digest }] : [{ code: digest }, `, ${formatBytes(more.releaseBytes)}`];
}

function readinessWords({ readiness, places }: PageFacts): string {
  const count = places.cards.length;
  if (count > 0) return `${plural(requiredRegions(readiness, count), "region")} must be healthy`;
  return { min2: "2 regions, or the only one", "all-but-one": "All regions but one", all: "All regions" }[readiness];
}

function deadlineWords({ row, more, nowMs, timeZone }: PageFacts): Words | null {
  const step = stepOfPhase(row.phase);
  const open = more.steps.find((record) => record.step === step && record.endedAt === null);
  if (!step || !open) return null;
  return [`${listTime(open.startedAt.getTime() + STEP_DEADLINES_MS[step], nowMs, timeZone)}, ${STEP_TITLES[step]}`];
}

/** Tasks of the version, by name. */
export function tasksOf(worker: WorkerVersion | null): TaskLine[] {
  if (!worker) return [];
  return [...worker.tasks.values()]
    .sort((a, b) => (a.slug < b.slug ? -1 : 1))
    .map((task) => ({
      slug: task.slug,
      file: task.filePath,
      detail: detailOf(task),
    }));
}

function detailOf(task: {
  queue: string;
  slug: string;
  machine: string | null;
  schedule?: { cron: string; timezone: string };
}): string | null {
  const parts = [
    task.schedule ? `${task.schedule.cron} ${task.schedule.timezone}` : "",
    task.queue === `task/${task.slug}` ? "" : `queue ${task.queue}`,
    task.machine ?? "",
  ].filter(Boolean);
  return parts.length === 0 ? null : parts.join(", ");
}

/** "47 runs", for sentences of several pages. */
export function runsWords(count: number): string {
  return count === 1 ? "1 run" : `${formatCount(count)} runs`;
}
