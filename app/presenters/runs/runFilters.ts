/** The filters of the runs list as they stand in the URL. Pure. */
import { AppError } from "../../utils/appError";
import type { ShownStatus } from "../views";

/** Filter names as the URL spells them; each may repeat. */
const FILTER_NAMES = ["status", "task", "version", "queue", "tag"] as const;
export type FilterName = (typeof FILTER_NAMES)[number];
/** `after` shows older runs than that id, `before` newer ones. */
export type RunsQuery = Record<FilterName, string[]> & { after: string | null; before: string | null };

export type FilterStatus = Exclude<ShownStatus, "RETRYING">;
type StatusWord = { status: FilterStatus; word: string };

/** Words of the statuses in the order of a run's life; Retrying is a part of Executing and Queued, not a filter. */
const FILTER_STATUSES: readonly StatusWord[] = [
  { status: "DELAYED", word: "Delayed" },
  { status: "QUEUED", word: "Queued" },
  { status: "PENDING_VERSION", word: "Pending version" },
  { status: "DEQUEUED", word: "Dequeued" },
  { status: "EXECUTING", word: "Executing" },
  { status: "WAITING", word: "Waiting" },
  { status: "COMPLETED", word: "Completed" },
  { status: "FAILED", word: "Failed" },
  { status: "CANCELED", word: "Canceled" },
  { status: "CRASHED", word: "Crashed" },
  { status: "SYSTEM_FAILURE", word: "System failure" },
  { status: "EXPIRED", word: "Expired" },
  { status: "TIMED_OUT", word: "Timed out" },
];

const LABELS: Record<FilterName, string> = { status: "Status", task: "Task", version: "Version", queue: "Queue", tag: "Tag" };
const MOST_VALUES = 20;
const LONGEST_VALUE = 128;

export type FiltersView = {
  /** Changes when the filters do, so that open menus close. */
  key: string;
  chips: { name: string; label: string; value: string; word: string; removeHref: string }[];
  adders: { name: string; label: string; free: boolean; options: { word: string; href: string }[] }[];
  clearHref: string;
  active: boolean;
};

/** Reads the query string. Throws AppError 400 for a status that does not exist, or for more or longer values than make sense. */
export function parseRunsQuery(params: URLSearchParams): RunsQuery {
  const query: RunsQuery = { status: [], task: [], version: [], queue: [], tag: [], after: null, before: null };
  for (const name of FILTER_NAMES) {
    query[name] = [...new Set(params.getAll(name).map((value) => value.trim()))].filter((value) => value !== "");
    if (query[name].length > MOST_VALUES)
      throw new AppError("too_many_filters", 400, `At most ${MOST_VALUES} values of ${name} can be shown at once.`);
    const long = query[name].find((value) => value.length > LONGEST_VALUE || value.includes("\0"));
    if (long !== undefined)
      throw new AppError("invalid_filter", 400, `A value of ${name} is longer than ${LONGEST_VALUE} characters or not text.`);
  }
  const unknown = query.status.find((value) => !FILTER_STATUSES.some((known) => known.status === value));
  if (unknown !== undefined) {
    throw new AppError(
      "invalid_status",
      400,
      `There is no status ${unknown}. Use one of ${FILTER_STATUSES.map((known) => known.status).join(", ")}.`
    );
  }
  query.after = params.get("after") || null;
  query.before = params.get("before") || null;
  return query;
}

/** The query string of a list, without leading `?`; paging only where given. */
export function runsSearch(query: Partial<RunsQuery>): string {
  const params = new URLSearchParams();
  for (const name of FILTER_NAMES) for (const value of query[name] ?? []) params.append(name, value);
  if (query.after) params.set("after", query.after);
  if (query.before) params.set("before", query.before);
  return params.toString();
}

/** True when the list shows less than everything. */
export function isFiltered(query: RunsQuery): boolean {
  return FILTER_NAMES.some((name) => query[name].length > 0);
}

/** Chips and adders for the filter row. `path`: the list's own path; `known`: names to offer beside the free field. */
export function filtersView(query: RunsQuery, path: string, known: { tasks: readonly string[]; queues: readonly string[] }): FiltersView {
  const href = (next: RunsQuery) => {
    const search = runsSearch({ ...next, after: null, before: null });
    return search ? `${path}?${search}` : path;
  };
  const without = (name: FilterName, value: string) => href({ ...query, [name]: query[name].filter((other) => other !== value) });
  const withValue = (name: FilterName, value: string) => href({ ...query, [name]: [...query[name], value] });
  const offer = (name: FilterName, values: readonly string[]) =>
    values.filter((value) => !query[name].includes(value)).map((value) => ({ word: wordOf(name, value), href: withValue(name, value) }));
  const options: Record<FilterName, readonly string[]> = {
    status: FILTER_STATUSES.map((known) => known.status),
    task: known.tasks,
    version: [],
    queue: known.queues,
    tag: [],
  };
  return {
    key: runsSearch({ ...query, after: null, before: null }),
    chips: FILTER_NAMES.flatMap((name) =>
      query[name].map((value) => ({ name, label: LABELS[name], value, word: wordOf(name, value), removeHref: without(name, value) }))
    ),
    adders: FILTER_NAMES.map((name) => ({ name, label: LABELS[name], free: name !== "status", options: offer(name, options[name]) })),
    clearHref: path,
    active: isFiltered(query),
  };
}

function wordOf(name: FilterName, value: string): string {
  return name === "status" ? (FILTER_STATUSES.find((known) => known.status === value)?.word ?? value) : value;
}
