/** The page of one run. */
import type { EnvironmentView, WorkerVersion } from "../../environments/types";
import { isFinal } from "../../runops/runStates";
import type { RunDetail } from "../../runops/runStore";
import type { TraceSpan } from "../../telemetry/types";
import { AppError } from "../../utils/appError";
import { friendlyId, parseFriendlyId } from "../../utils/ids";
import type { App } from "../../wiring.server";
import { readSurroundings, reasonFor, statusOf } from "../facts.server";
import { lifecycleOf } from "./lifecycle";
import { dataView, errorLine, errorView } from "./packets.server";
import { CHILDREN_SHOWN, factsOf } from "./runFacts";
import { runsSearch } from "./runFilters";
import { attemptsOf, phasesOf, stretchesOf, type Attempt } from "./runHistory";
import { expiredText } from "./runRow.server";
import { attemptErrors, logsOf, readSpan, readTrace } from "./runTrace.server";
import { splitOf } from "./split";
import { timelineOf } from "./timeline";
import type { ErrorView, RunView } from "../views";

export type RunPageApp = Pick<App, "store" | "index" | "engine" | "environments" | "telemetry" | "clock" | "log">;
export type RunPageInput = {
  env: EnvironmentView;
  /** Path of the environment's pages. */
  base: string;
  /** Friendly id, as in the URL. */
  run: string;
  fold: boolean;
  span: string | null;
  /** The page's address with another selected span; null selects none. */
  hrefOf: (spanId: string | null) => string;
  timeZone: string;
};

const TRIGGERS: Record<string, string> = {
  sdk: "Triggered by the SDK",
  cli: "Triggered by the CLI",
  api: "Triggered by API",
  dashboard: "Triggered from the dashboard",
  schedule: "Triggered by a schedule",
};

/** Reads the run, its trace and what is around it. Throws AppError 404 for a run of another environment. */
export async function presentRun(app: RunPageApp, input: RunPageInput): Promise<RunView> {
  const detail = await findRun(app, input);
  const { env } = input;
  const { header } = detail;
  const [trace, around, version, children, span] = await Promise.all([
    readTrace(app, env.id, detail),
    readSurroundings(app, env, [header.queue]),
    detail.versionId ? app.environments.workerVersion(detail.versionId) : null,
    app.store.childrenOf(env.id, header.id, CHILDREN_SHOWN).catch(() => []),
    readSpan(app, detail, { envId: env.id, span: input.span, closeHref: input.hrefOf(null) }),
  ]);
  const nowMs = app.clock.now();
  const error = errorOf(detail);
  const page: Page = { ...input, detail, nowMs, spans: trace?.spans ?? [], version, error, story: tell(detail, nowMs) };
  return {
    ...headOf(page),
    ...(await dataOf(page)),
    ...storyOf(page),
    ...logsOf(page.spans),
    wait: reasonFor({ ...detail, lastErrorText: error?.line ?? null }, around, { nowMs, timeZone: input.timeZone }),
    span,
    facts: factsOf(detail, { base: input.base, children: children.map((child) => child.header.id) }),
  };
}

async function findRun(app: RunPageApp, { env, run }: RunPageInput): Promise<RunDetail> {
  const id = parseFriendlyId("run", run);
  const detail = id === null ? null : await app.store.getRun(env.id, id);
  if (detail) return detail;
  throw new AppError(
    "run_not_found",
    404,
    `There is no run ${run.slice(0, 60)} in ${env.slug}. It may be in another environment, or older than the retention.`
  );
}

type Page = RunPageInput & {
  detail: RunDetail;
  nowMs: number;
  spans: readonly TraceSpan[];
  version: WorkerVersion | null;
  error: StoredErrorView | null;
  story: Story;
};
type StoredErrorView = { view: ErrorView; line: string };
type Head = Pick<
  RunView,
  | "id"
  | "friendlyId"
  | "task"
  | "status"
  | "final"
  | "cancelable"
  | "asOf"
  | "createdAt"
  | "triggeredBy"
  | "version"
  | "queue"
  | "region"
  | "machine"
  | "attempt"
  | "maxAttempts"
  | "tags"
>;

function headOf({ detail, nowMs, version, base }: Page): Head {
  const { header } = detail;
  const final = isFinal(detail.status);
  const source = TRIGGERS[header.options.triggerSource ?? "api"] ?? "Triggered by API";
  return {
    id: header.id,
    friendlyId: friendlyId("run", header.id),
    task: header.task,
    status: statusOf(detail),
    final,
    cancelable: !final,
    asOf: nowMs,
    createdAt: header.createdAt.getTime(),
    triggeredBy: header.replayOf ? "Replayed" : source,
    version: version && { name: version.version, href: `${base}/runs?${runsSearch({ version: [version.version] })}` },
    queue: { name: header.queue, href: `${base}/runs?${runsSearch({ queue: [header.queue] })}` },
    region: header.region,
    machine: detail.machine,
    attempt: detail.attempt,
    maxAttempts: header.options.maxAttempts ?? version?.tasks.get(header.task)?.retry?.maxAttempts ?? null,
    tags: header.tags,
  };
}

async function dataOf({ detail, error, story }: Page): Promise<Pick<RunView, "payload" | "output" | "metadata" | "error">> {
  const { header, result } = detail;
  // A cancel is an outcome, not a failure: the lifecycle says who asked for it.
  const failure = detail.status === "CANCELED" ? null : error;
  return {
    payload: await dataView(header.payload, header.payloadType),
    output: await dataView(result?.output ?? null, result?.outputType ?? "application/json"),
    metadata: await dataView(detail.metadata, detail.metadataType),
    error: failure && { title: errorTitle(detail, story.attempts), view: failure.view },
  };
}

function storyOf(page: Page): Pick<RunView, "split" | "timeline" | "lifecycle"> {
  const { detail, story, nowMs, spans, error } = page;
  const { header, result } = detail;
  const createdAt = header.createdAt.getTime();
  const status = statusOf(detail);
  return {
    split: splitOf(story.stretches, createdAt, story.endedAt, nowMs),
    timeline: timelineOf({ task: header.task, status, createdAt, nowMs, ...story, spans, fold: page.fold, hrefOf: page.hrefOf }),
    lifecycle: lifecycleOf({
      ...story,
      final: result && { status: result.status, at: result.completedAt.getTime(), note: outcomeNote(detail, error?.line) },
      queue: header.queue,
      version: page.version?.version ?? null,
      reason: detail.reason,
      dueAt: detail.dueAt?.getTime() ?? null,
      attemptErrors: attemptErrors(story.attempts, spans, error?.line ?? null),
      nowMs,
      timeZone: page.timeZone,
    }),
  };
}

type Story = {
  phases: ReturnType<typeof phasesOf>;
  attempts: Attempt[];
  stretches: ReturnType<typeof stretchesOf>;
  endedAt: number | null;
};

function tell(detail: RunDetail, nowMs: number): Story {
  const phases = phasesOf(detail.history);
  const final = detail.result?.status ?? null;
  const attempts = attemptsOf(phases, final);
  const endedAt = detail.result?.completedAt.getTime() ?? null;
  // The history of a run that ended keeps no open stretch, even when its last record was dropped by the cap.
  const last = phases.at(-1);
  if (endedAt !== null && last && last.to === null) last.to = Math.min(endedAt, nowMs);
  return { phases, attempts, stretches: stretchesOf(phases, attempts), endedAt };
}

function errorOf(detail: RunDetail): StoredErrorView | null {
  const view = errorView(detail.result?.error ?? detail.lastError);
  return view ? { view, line: errorLine(view) } : null;
}

function errorTitle(detail: RunDetail, attempts: readonly Attempt[]): string {
  const failed = attempts.filter((attempt) => attempt.outcome === "failed").at(-1);
  if (detail.result)
    return detail.result.status === "CANCELED" ? "Canceled" : failed ? `Attempt ${failed.number} failed, the run ended` : "The run ended";
  return failed ? `Attempt ${failed.number} failed, then retried` : "An attempt failed";
}

function outcomeNote(detail: RunDetail, errorText: string | undefined): string | null {
  if (detail.status === "COMPLETED_SUCCESSFULLY") return null;
  return detail.status === "EXPIRED" ? expiredText(detail) : (errorText ?? null);
}
