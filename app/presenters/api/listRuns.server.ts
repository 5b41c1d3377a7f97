/** `GET /api/v1/runs` and the project's list: runs newest first, keyset paging by run id. */
import type { EnvironmentDirectory, EnvironmentView } from "../../environments/types";
import type { Clock } from "../../platform/clock";
import type { RunFilter, RunListItem, RunPage, RunStore } from "../../runops/runStore";
import { friendlyId, idMillis } from "../../utils/ids";
import type { ListRunsQuery } from "./listQuery";
import { presentRun, type PresentedRun, type Vocabulary } from "./presentRun.server";

export type ListedRun = PresentedRun & { env: { id: string; name: string } };
export type ListedRuns = { data: ListedRun[]; pagination: { next?: string; previous?: string } };

type Deps = { store: Pick<RunStore, "listRuns">; directory: EnvironmentDirectory; clock: Clock };

const EMPTY: RunPage = { runs: [], next: null, previous: null };

export class ListRunsPresenter {
  constructor(private readonly deps: Deps) {}

  /** One page over one or several environments; a page may be short, or empty, and still have a `next`. */
  async call(envs: readonly EnvironmentView[], query: ListRunsQuery, vocabulary: Vocabulary): Promise<ListedRuns> {
    const pages = await Promise.all(envs.map((env) => this.#page(env, query)));
    const page = mergePages(pages, query);
    const byId = new Map(envs.map((env) => [env.id, env]));
    const data = await Promise.all(page.runs.map((run) => this.#present(run, byId.get(run.header.envId), vocabulary)));
    return { data: data.filter((run) => run !== null), pagination: { next: cursor(page.next), previous: cursor(page.previous) } };
  }

  async #page(env: EnvironmentView, query: ListRunsQuery): Promise<RunPage> {
    const filter = await this.#filter(env, query);
    return filter === null ? EMPTY : this.deps.store.listRuns(filter);
  }

  async #present(run: RunListItem, env: EnvironmentView | undefined, vocabulary: Vocabulary): Promise<ListedRun | null> {
    if (!env) return null;
    const presented = await presentRun(run, { directory: this.deps.directory, env, vocabulary });
    return { ...presented, env: { id: env.id, name: env.slug } };
  }

  /** Null when no run can match: a version that the environment never had. */
  async #filter(env: EnvironmentView, query: ListRunsQuery): Promise<RunFilter | null> {
    const versionIds = await this.#versionIds(env.id, query["filter[version]"]);
    if (versionIds?.length === 0) return null;
    const period = query["filter[createdAt][period]"];
    return {
      envId: env.id,
      statuses: query["filter[status]"],
      tasks: query["filter[taskIdentifier]"],
      versionIds,
      tags: query["filter[tag]"],
      queues: query["filter[queue]"],
      machines: query["filter[machine]"],
      regions: query["filter[region]"],
      batchId: query["filter[batch]"],
      scheduleId: query["filter[schedule]"],
      rootOnly: query["filter[rootRunsOnly]"],
      isTest: query["filter[isTest]"],
      createdFrom: query["filter[createdAt][from]"] ?? (period === undefined ? undefined : new Date(this.deps.clock.now() - period)),
      createdTo: query["filter[createdAt][to]"],
      pageSize: query["page[size]"],
      after: query["page[after]"],
      before: query["page[before]"],
    };
  }

  async #versionIds(envId: string, names: readonly string[] | undefined): Promise<string[] | undefined> {
    if (names === undefined) return undefined;
    const versions = await Promise.all(names.map((name) => this.deps.directory.versionByName(envId, name)));
    return versions.flatMap((version) => (version ? [version.id] : []));
  }
}

/**
 * Pages of several environments as one. A page that ends early (its scan was bounded) vouches only for rows up to its
 * cursor, so rows beyond the nearest cursor of any page wait for the next request.
 */
export function mergePages(pages: readonly RunPage[], query: Pick<ListRunsQuery, "page[size]" | "page[before]">): RunPage {
  const [only] = pages;
  if (only && pages.length === 1) return only;
  const rows = pages.flatMap((page) => page.runs).sort((a, b) => newestFirst(a.header.id, b.header.id));
  return query["page[before]"] === undefined ? older(rows, pages, query["page[size]"]) : newer(rows, pages, query["page[size]"]);
}

function older(rows: readonly RunListItem[], pages: readonly RunPage[], size: number): RunPage {
  const floor = cursors(pages, "next")[0] ?? null;
  const vouched = floor === null ? rows : rows.filter((run) => newestFirst(run.header.id, floor) <= 0);
  const runs = vouched.slice(0, size);
  const next = vouched.length > size ? (runs.at(-1)?.header.id ?? null) : floor;
  return { runs, next, previous: cursors(pages, "previous").length > 0 ? (runs[0]?.header.id ?? null) : null };
}

function newer(rows: readonly RunListItem[], pages: readonly RunPage[], size: number): RunPage {
  const ceiling = cursors(pages, "previous").at(-1) ?? null;
  const vouched = ceiling === null ? rows : rows.filter((run) => newestFirst(run.header.id, ceiling) >= 0);
  const runs = vouched.slice(-size);
  const previous = vouched.length > size ? (runs[0]?.header.id ?? null) : ceiling;
  return { runs, previous, next: cursors(pages, "next").length > 0 ? (runs.at(-1)?.header.id ?? null) : null };
}

/** Newest first. */
function cursors(pages: readonly RunPage[], side: "next" | "previous"): string[] {
  return pages.flatMap((page) => page[side] ?? []).sort(newestFirst);
}

/** Ids of both shapes by their time, then by themselves. */
function newestFirst(a: string, b: string): number {
  return (idMillis(b) ?? 0) - (idMillis(a) ?? 0) || (a < b ? 1 : a > b ? -1 : 0);
}

function cursor(id: string | null): string | undefined {
  return id === null ? undefined : friendlyId("run", id);
}
