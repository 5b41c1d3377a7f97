/** The runs page of one environment. */
import type { EnvironmentView } from "../../environments/types";
import { storedStatuses, type RunStatus } from "../../runops/runStates";
import type { RunFilter, RunListItem } from "../../runops/runStore";
import { AppError } from "../../utils/appError";
import { parseFriendlyId } from "../../utils/ids";
import type { App } from "../../wiring.server";
import { readSurroundings, type Surroundings } from "../facts.server";
import { filtersView, isFiltered, runsSearch, type FiltersView, type RunsQuery } from "./runFilters";
import { toRunRow } from "./runRow.server";
import type { Counted, FiguresView, FirstRunView, RunRow } from "../views";

export type RunListApp = Pick<App, "store" | "index" | "engine" | "environments" | "clock" | "config">;
/** `base`: path of the environment's pages. */
export type RunListInput = { env: EnvironmentView; base: string; query: RunsQuery; timeZone: string };
export type RunListView = {
  asOf: number;
  rows: RunRow[];
  filters: FiltersView;
  newerHref: string | null;
  olderHref: string | null;
  figures: FiguresView;
  /** Instead of the list while the environment has never had a run. */
  firstRun: FirstRunView | null;
};

const PAGE_SIZE = 25;
const COUNT_UP_TO = 100;
const HOUR_MS = 3_600_000;
const MOST_REFRESHED = 50;
const FAILURES: RunStatus[] = ["COMPLETED_WITH_ERRORS", "CRASHED", "SYSTEM_FAILURE", "TIMED_OUT"];

/** A page of the list with its filters and figures. Throws AppError 400 for a cursor that is no run id. */
export async function presentRunList(app: RunListApp, input: RunListInput): Promise<RunListView> {
  const { env, query } = input;
  const filter = await toFilter(app, env, query);
  const [page, tasks, figures] = await Promise.all([
    filter === null ? { runs: [], next: null, previous: null } : app.store.listRuns(filter),
    knownTasks(app, env),
    readFigures(app, env),
  ]);
  const path = `${input.base}/runs`;
  const around = await readSurroundings(
    app,
    env,
    page.runs.map((run) => run.header.queue)
  );
  const rows = await toRows(app, page.runs, { ...input, around, path });
  const href = (cursor: Partial<RunsQuery>) => `${path}?${runsSearch({ ...query, after: null, before: null, ...cursor })}`;
  const empty = rows.length === 0 && !isFiltered(query) && !query.after && !query.before;
  const queues = (await app.environments.queues(env.id)).map((queue) => queue.name);
  return {
    asOf: app.clock.now(),
    rows,
    filters: filtersView(query, path, { tasks: tasks.names, queues }),
    newerHref: page.previous === null ? null : href({ before: page.previous }),
    olderHref: page.next === null ? null : href({ after: page.next }),
    figures: { ...figures, queued: around.counts?.queued ?? null, running: around.counts?.running ?? null, limit: around.env.limit },
    firstRun: empty ? firstRunView(app, input, { tasks, around }) : null,
  };
}

/** The given runs as rows, for lines that newer ones pushed off the page. Unknown ids are left out. */
export async function presentRunRows(app: RunListApp, input: Omit<RunListInput, "query"> & { ids: readonly string[] }): Promise<RunRow[]> {
  const ids = input.ids.map((id) => parseFriendlyId("run", id)).filter((id): id is string => id !== null);
  const runs = [...(await app.store.getRuns(input.env.id, ids.slice(0, MOST_REFRESHED))).values()];
  const around = await readSurroundings(
    app,
    input.env,
    runs.map((run) => run.header.queue)
  );
  return toRows(app, runs, { ...input, around, path: `${input.base}/runs` });
}

type RowsInput = Omit<RunListInput, "query"> & { around: Surroundings; path: string };

async function toRows(app: RunListApp, runs: readonly RunListItem[], input: RowsInput): Promise<RunRow[]> {
  const ids = [...new Set(runs.flatMap((run) => (run.versionId ? [run.versionId] : [])))];
  const versions = new Map(
    await Promise.all(ids.map(async (id) => [id, (await app.environments.workerVersion(id))?.version ?? null] as const))
  );
  const context = { path: input.path, nowMs: app.clock.now(), timeZone: input.timeZone, around: input.around };
  return runs.map((run) => toRunRow(run, { ...context, versionName: (id) => versions.get(id) ?? null }));
}

/** Null when a named version does not exist: then nothing can match. */
async function toFilter(app: RunListApp, env: EnvironmentView, query: RunsQuery): Promise<RunFilter | null> {
  const found = await Promise.all(query.version.map((name) => app.environments.versionByName(env.id, name)));
  const versionIds = found.flatMap((version) => (version ? [version.id] : []));
  if (query.version.length > 0 && versionIds.length === 0) return null;
  return {
    envId: env.id,
    pageSize: PAGE_SIZE,
    ...(query.status.length > 0
      ? { statuses: query.status.flatMap((status) => storedStatuses(status as Parameters<typeof storedStatuses>[0])) }
      : {}),
    ...(query.task.length > 0 ? { tasks: query.task } : {}),
    ...(versionIds.length > 0 ? { versionIds } : {}),
    ...(query.queue.length > 0 ? { queues: query.queue } : {}),
    ...(query.tag.length > 0 ? { tags: query.tag } : {}),
    ...(query.after ? { after: cursor(query.after) } : {}),
    ...(query.before ? { before: cursor(query.before) } : {}),
  };
}

function cursor(text: string): string {
  const id = parseFriendlyId("run", text);
  if (id === null)
    throw new AppError(
      "invalid_cursor",
      400,
      `${text.slice(0, 60)} is not a run id, so there is no page after it. Open the list without it.`
    );
  return id;
}

async function readFigures(app: RunListApp, env: EnvironmentView): Promise<Pick<FiguresView, "delayed" | "failedLastHour">> {
  const count = async (filter: Pick<RunFilter, "statuses" | "createdFrom">): Promise<Counted> => {
    const page = await app.store.listRuns({ envId: env.id, pageSize: COUNT_UP_TO, ...filter });
    return { count: page.runs.length, more: page.next !== null };
  };
  const [delayed, failedLastHour] = await Promise.all([
    count({ statuses: ["DELAYED"] }).catch(() => null),
    count({ statuses: FAILURES, createdFrom: new Date(app.clock.now() - HOUR_MS) }).catch(() => null),
  ]);
  return { delayed, failedLastHour };
}

type KnownTasks = { names: string[]; version: string | null };

/** Tasks of the environment's current version, for the filter and the Test page. */
export async function knownTasks(app: Pick<App, "environments">, env: EnvironmentView): Promise<KnownTasks> {
  const version = env.currentWorkerId === null ? null : await app.environments.workerVersion(env.currentWorkerId);
  return { names: version ? [...version.tasks.keys()].sort() : [], version: version?.version ?? null };
}

function firstRunView(app: RunListApp, { env, base }: RunListInput, known: { tasks: KnownTasks; around: Surroundings }): FirstRunView {
  return {
    origin: app.config.origin,
    envSlug: env.slug,
    connected: known.around.env.devConnected,
    version: known.tasks.version,
    tasks: known.tasks.names,
    secretKey: env.secretKey,
    testHref: `${base}/test`,
    keysHref: `${base}/keys`,
  };
}
