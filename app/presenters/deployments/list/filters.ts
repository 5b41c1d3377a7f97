/** The filters of the deployments list as they stand in the URL. Pure. */
import { AppError } from "../../../utils/appError";
import { parseFriendlyId } from "../../../utils/ids";
import type { FiltersView } from "../../runs/runFilters";
import { ORIGINS, type Origin } from "../commit";
import { DEPLOYMENT_WORDS } from "../../../utils/deploymentWords";
import type { ShownDeployment } from "../views";

export type DeploymentsQuery = {
  status: ShownDeployment[];
  branch: string | null;
  from: Origin[];
  /** Jumps to the page that begins with this version. */
  version: string | null;
  after: string | null;
  before: string | null;
};

const STATUSES = Object.keys(DEPLOYMENT_WORDS) as ShownDeployment[];
const ORIGIN_NAMES = Object.keys(ORIGINS) as Origin[];
const LONGEST = 200;

/** Reads the query string. Throws AppError 400 that names what it cannot read. */
export function parseDeploymentsQuery(params: URLSearchParams): DeploymentsQuery {
  return {
    status: known("status", params.getAll("status"), STATUSES),
    branch: text(params, "branch"),
    from: known("from", params.getAll("from"), ORIGIN_NAMES),
    version: text(params, "version"),
    after: cursor(params.get("after")),
    before: cursor(params.get("before")),
  };
}

function known<T extends string>(name: string, values: readonly string[], all: readonly T[]): T[] {
  const given = [...new Set(values)].filter((value) => value !== "");
  const unknown = given.find((value) => !(all as readonly string[]).includes(value));
  if (unknown === undefined) return given as T[];
  throw new AppError("invalid_filter", 400, `There is no ${name} ${unknown.slice(0, 60)}. Use one of ${all.join(", ")}.`);
}

function text(params: URLSearchParams, name: string): string | null {
  const value = params.get(name)?.trim() ?? "";
  if (value === "") return null;
  if (value.length > LONGEST || value.includes("\0"))
    throw new AppError("invalid_filter", 400, `The value of ${name} is longer than ${LONGEST} characters or not text.`);
  return value;
}

function cursor(value: string | null): string | null {
  if (!value) return null;
  const id = parseFriendlyId("deployment", value);
  if (id !== null) return id;
  throw new AppError(
    "invalid_cursor",
    400,
    `${value.slice(0, 60)} is not a deployment id, so there is no page beside it. Open the list without it.`
  );
}

/** The query string of a list, without leading `?`. */
export function deploymentsSearch(query: Partial<DeploymentsQuery>): string {
  const params = new URLSearchParams();
  for (const value of query.status ?? []) params.append("status", value);
  if (query.branch) params.set("branch", query.branch);
  for (const value of query.from ?? []) params.append("from", value);
  if (query.version) params.set("version", query.version);
  if (query.after) params.set("after", query.after);
  if (query.before) params.set("before", query.before);
  return params.toString();
}

/** Chips and adders for the filter row. `branches`: those to offer. */
export function deploymentFilters(query: DeploymentsQuery, path: string, branches: readonly string[]): FiltersView {
  const base = { ...query, version: null, after: null, before: null };
  const href = (next: DeploymentsQuery) => {
    const search = deploymentsSearch(next);
    return search ? `${path}?${search}` : path;
  };
  const status = STATUSES.filter((value) => !query.status.includes(value));
  const from = ORIGIN_NAMES.filter((value) => !query.from.includes(value));
  return {
    key: deploymentsSearch(base),
    chips: [
      ...query.status.map((value) => ({
        ...{ name: "status", label: "Status", value, word: DEPLOYMENT_WORDS[value] },
        removeHref: href({ ...base, status: query.status.filter((other) => other !== value) }),
      })),
      ...(query.branch === null
        ? []
        : [{ name: "branch", label: "Branch", value: query.branch, word: query.branch, removeHref: href({ ...base, branch: null }) }]),
      ...query.from.map((value) => ({
        ...{ name: "from", label: "From", value, word: ORIGINS[value].word },
        removeHref: href({ ...base, from: query.from.filter((other) => other !== value) }),
      })),
    ],
    adders: [
      {
        ...{ name: "status", label: "Status", free: false },
        options: status.map((value) => ({ word: DEPLOYMENT_WORDS[value], href: href({ ...base, status: [...query.status, value] }) })),
      },
      ...(query.branch === null ? [branchAdder(branches.map((branch) => ({ word: branch, href: href({ ...base, branch }) })))] : []),
      {
        ...{ name: "from", label: "From", free: false },
        options: from.map((value) => ({ word: ORIGINS[value].word, href: href({ ...base, from: [...query.from, value] }) })),
      },
    ],
    clearHref: path,
    active: query.status.length > 0 || query.branch !== null || query.from.length > 0,
  };
}

type Adder = FiltersView["adders"][number];

function branchAdder(options: Adder["options"]): Adder {
  return { name: "branch", label: "Branch", free: true, options };
}
