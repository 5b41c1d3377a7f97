/** The page of one deployment: the same view while it is on its way and as the record afterwards. */
import { z } from "zod";
import { isTerminal, type Step } from "../../deployments/phases";
import type { DeploymentRecord } from "../../deployments/ports";
import { deploymentById } from "../../deployments/rows/deploymentRows.server";
import { requiredRegions } from "../../deployments/readiness";
import type { EnvironmentView, WorkerVersion } from "../../environments/types";
import { loadScript } from "../../platform/scripts.server";
import type { App } from "../../wiring.server";
import { deploymentActions } from "./actions.server";
import { asideOf, detailsOf, outcomeOf, tasksOf } from "./facts.server";
import { commitOf } from "./commit";
import { explainFailure } from "./failure";
import { deploymentOfCode } from "../../deployments/rows/findByShortCode.server";
import { LIVE_LINES, readLogTails, RECORD_LINES } from "./log.server";
import { announcement, phaseViews, type PhaseFacts } from "./phases";
import { moveWords } from "./list/periods";
import { readRegions, type RegionsOfDeployment } from "./regionCards.server";
import { readMedians, readMoves, readPointerFacts, stepName, type NamedMove, type Pointer } from "./rows.server";
import { shownDeployment } from "./status";
import type { DeploymentView, FailureView, LogView } from "./views";

const PAGE_SQL = loadScript("presenters/deployments/sql/page.sql");

export type DeploymentPageApp = Pick<App, "deployments" | "environments" | "index" | "store" | "clock">;
export type DeploymentPageInput = { env: EnvironmentView; base: string; code: string; timeZone: string };

const pageStep = z.object({
  step: stepName,
  startedAt: z.coerce.date(),
  endedAt: z.coerce.date().nullable(),
  error: z.string().nullable(),
  errorSummary: z.string().nullable(),
  outcome: z.unknown(),
});
type PageStep = z.output<typeof pageStep>;
export type PageRow = {
  steps: PageStep[];
  bundleThere: boolean;
  bundleBytes: number | null;
  releaseBytes: number | null;
  supersededBy: string | null;
  redeployOf: string | null;
  triggeredBy: string | null;
  slotPosition: number | null;
  slotLine: number | null;
  jobState: string | null;
};

/** Everything that was read, for the parts of the page. */
export type PageFacts = DeploymentPageInput & {
  row: DeploymentRecord;
  more: PageRow;
  nowMs: number;
  medians: ReadonlyMap<Step, number>;
  logs: ReadonlyMap<Step, LogView>;
  places: RegionsOfDeployment;
  pointer: Pointer | null;
  moves: NamedMove[];
  worker: WorkerVersion | null;
  currentWorker: WorkerVersion | null;
  /** Where the current version runs, when this one ended without becoming it. */
  currentPlaces: RegionsOfDeployment | null;
  readiness: "min2" | "all-but-one" | "all";
  autoPromote: boolean;
  executing: number | null;
};

/** Throws AppError 404 for a deployment of another environment. */
export async function presentDeployment(app: DeploymentPageApp, input: DeploymentPageInput): Promise<DeploymentView> {
  const facts = await readFacts(app, input);
  const { row, nowMs, places, base } = facts;
  const terminal = isTerminal(row.phase);
  const phases = phaseViews({ ...facts, phase: row.phase, steps: facts.more.steps, facts: phaseFacts(facts) });
  const endedAt = terminal ? endOf(facts) : null;
  const href = `${base}/deployments/${row.shortCode}`;
  return {
    ...{ id: row.id, version: row.version, shortCode: row.shortCode, status: shownDeployment(row.phase, row.status), terminal },
    current: facts.pointer?.currentId === row.id,
    asOf: nowMs,
    createdAt: row.createdAt.getTime(),
    endedAt,
    tookMs: Math.max(0, (endedAt ?? nowMs) - row.createdAt.getTime()),
    commit: commitOf(row),
    by: facts.more.triggeredBy,
    phases,
    announce: announcement(phases, row.phase, row.version),
    regions: places.cards,
    instances: places.instances,
    failure: row.phase === "failed" ? failureOf(facts) : null,
    outcome: outcomeOf(facts),
    aside: asideOf(facts),
    details: detailsOf(facts),
    tasks: tasksOf(facts.worker),
    history: facts.moves
      .map((move) => ({ generation: move.generation, text: moveWords(move), by: move.by, at: move.at.getTime() }))
      .reverse(),
    actions: deploymentActions(await actionFacts(app, facts)),
    href,
    listHref: `${base}/deployments`,
    variablesHref: `${base}/variables`,
    logHref: `/resources/envs/${row.environmentId}/deployments/${row.shortCode}/log`,
    readyHref: row.phase === "ready" || row.phase === "stopped" ? href : null,
  };
}

async function readFacts(app: DeploymentPageApp, input: DeploymentPageInput): Promise<PageFacts> {
  const { env } = input;
  const { pool } = app.deployments;
  const nowMs = app.clock.now();
  const row = await deploymentOfCode(pool, env, input.code);
  const lines = isTerminal(row.phase) ? RECORD_LINES : LIVE_LINES;
  const [more, medians, logs, places, pointer, moves, settings, worker, executing] = await Promise.all([
    pool.query<PageRow>(PAGE_SQL, [row.id]),
    readMedians(pool, env.id, row.id),
    readLogTails(pool, row.id, lines),
    readRegions(pool, row.id, nowMs),
    readPointerFacts(pool, env.id),
    readMoves(pool, env.id, [row.id]),
    app.deployments.settings.read(env),
    row.workerVersionId === null ? null : app.environments.workerVersion(row.workerVersionId),
    app.index.counts(env.id).then(
      (counts) => counts.running,
      () => null
    ),
  ]);
  const current = pointer && pointer.currentId !== row.id ? await deploymentById(pool, pointer.currentId) : null;
  const currentWorker = current?.workerVersionId ? await app.environments.workerVersion(current.workerVersionId) : null;
  const endedInVain = isTerminal(row.phase) && row.status !== "DEPLOYED";
  const currentPlaces = current && endedInVain ? await readRegions(pool, current.id, nowMs) : null;
  const [first] = more.rows;
  if (!first) throw new Error("The deployment vanished while its page was read.");
  const steps = z.array(pageStep).parse(first.steps);
  const { readiness, autoPromote } = settings;
  return {
    ...input,
    row,
    more: { ...first, steps },
    nowMs,
    medians,
    logs,
    places,
    pointer,
    moves,
    worker,
    currentWorker,
    currentPlaces,
    readiness,
    autoPromote,
    executing,
  };
}

function endOf({ row, more }: PageFacts): number {
  const lastStep = Math.max(0, ...more.steps.map((step) => step.endedAt?.getTime() ?? 0));
  return (row.failedAt ?? row.canceledAt ?? row.deployedAt)?.getTime() ?? (lastStep || row.createdAt.getTime());
}

async function actionFacts(app: DeploymentPageApp, { row, more, pointer }: PageFacts) {
  const { workerVersionId } = row;
  const mayStop = row.phase === "ready" && pointer?.currentId !== row.id && workerVersionId !== null;
  const used = mayStop ? await app.store.versionsInUse([workerVersionId], null).catch(() => new Set<string>()) : new Set<string>();
  return {
    ...row,
    hasWorker: workerVersionId !== null,
    hasRelease: row.releaseDigest !== null,
    bundleThere: more.bundleThere,
    inUse: workerVersionId !== null && used.has(workerVersionId),
    current: pointer && { id: pointer.currentId, version: pointer.currentVersion },
    isRolledBack: pointer?.isRolledBack ?? false,
  };
}

const targetsShape = z.array(z.object({ region: z.string(), replicas: z.number() })).catch([]);

function phaseFacts(facts: PageFacts): PhaseFacts {
  const { row, more, places, logs, worker } = facts;
  const targets = targetsShape.parse(more.steps.find((step) => step.step === "starting")?.outcome ?? []);
  const cards = places.cards;
  const healthy = cards.filter((card) => card.state === "healthy").length;
  const lastLine = [...logs.values()]
    .flatMap((log) => log.lines)
    .reduce((last, line) => (line.seq > last.seq ? line : last), { seq: 0, text: "" });
  return {
    slot: more.slotPosition ? { position: more.slotPosition, line: more.slotLine ?? 0 } : null,
    targets: targets.length === 0 ? null : { regions: targets.length, replicas: targets.reduce((sum, target) => sum + target.replicas, 0) },
    build: { waits: more.jobState === "waiting", tasks: worker?.tasks.size ?? null, releaseBytes: more.releaseBytes },
    health: cards.length === 0 ? null : { healthy, regions: cards.length, required: requiredRegions(facts.readiness, cards.length) },
    regionNames: cards.map((card) => card.region),
    promotion: promotionPlan(facts),
    finalized: row.phase === "ready" || row.phase === "stopped" ? (lastLineOfFinalizing(logs) ?? lastLine.text) : null,
  };
}

function lastLineOfFinalizing(logs: ReadonlyMap<Step, LogView>): string | null {
  return logs.get("finalizing")?.lines.at(-1)?.text ?? null;
}

/** What finalizing will do, by the rule that it applies. */
function promotionPlan({ row, pointer, autoPromote }: PageFacts): PhaseFacts["promotion"] {
  const current = pointer?.currentVersion ?? null;
  const not = (why: string) => ({ current, will: false, why });
  if (row.skipPromotion) return not("Will become ready, not current: --skip-promotion");
  if (!autoPromote) return not("Will become ready, not current: automatic promotion is off");
  if (pointer?.isRolledBack) return not(`Will become ready, not current: rolled back to ${pointer.currentVersion}`);
  return { current, will: true, why: null };
}

function failureOf({ row, more, logs, env }: PageFacts): FailureView {
  const failed = more.steps.find((step) => step.error !== null);
  const step = failed?.step ?? row.failureStep;
  const errorLines = step ? (logs.get(step)?.lines ?? []).filter((line) => line.level === "error") : [];
  return explainFailure({
    step,
    code: row.failureCode,
    error: row.errorData,
    summary: failed?.errorSummary ?? null,
    full: failed?.error ?? null,
    envSlug: env.slug,
    lastErrorLine: errorLines.at(-1)?.text ?? null,
  });
}
