/** The deployments list: one keyset page of an environment, newest first. */
import { actorWords, listedRegions, listedSteps, freshSince, readMedians, readMoves, readPointerFacts, type Pointer } from "../rows.server";
import type { EnvironmentView } from "../../../environments/types";
import { deploymentByVersion } from "../../../deployments/rows/deploymentRows.server";
import { loadScript } from "../../../platform/scripts.server";
import { AppError } from "../../../utils/appError";
import type { App } from "../../../wiring.server";
import { viaFilter } from "../commit";
import { deploymentFilters, deploymentsSearch, type DeploymentsQuery } from "./filters";
import { toDeploymentRow, type ListedDeployment } from "./listRow.server";
import type { DeploymentListView, RolledBackView } from "../views";

const LIST_SQL = loadScript("presenters/deployments/sql/list.sql");
const OLDER_SQL = LIST_SQL.replaceAll("{direction}", "DESC");
const NEWER_SQL = LIST_SQL.replaceAll("{direction}", "ASC");
const BRANCHES_SQL = loadScript("presenters/deployments/sql/branches.sql");
const PAGE_SIZE = 20;
const BRANCHES_FROM = 200;
/** Sorts after every id. */
const NEWEST = "~";

export type DeploymentListInput = { env: EnvironmentView; base: string; query: DeploymentsQuery; timeZone: string };
type ListApp = Pick<App, "deployments" | "clock">;
type Page = { rows: ListedDeployment[]; newer: boolean; older: boolean };

/** Reads the page with four statements, whatever is on it. Throws AppError 404 for a `version` that does not exist. */
export async function presentDeploymentList(app: ListApp, input: DeploymentListInput): Promise<DeploymentListView> {
  const { env, query, base, timeZone } = input;
  const { pool } = app.deployments;
  const nowMs = app.clock.now();
  const path = `${base}/deployments`;
  const [page, pointer, branches, medians] = await Promise.all([
    readPage(app, input, nowMs),
    readPointerFacts(pool, env.id),
    pool.query<{ branch: string }>(BRANCHES_SQL, [env.id, BRANCHES_FROM]),
    readMedians(pool, env.id, NEWEST),
  ]);
  const moves = await readMoves(
    pool,
    env.id,
    page.rows.map((row) => row.id)
  );
  const context = { base, nowMs, timeZone, pointer, moves, medians, wantedVersion: query.version };
  const filters = deploymentFilters(
    query,
    path,
    branches.rows.map((row) => row.branch)
  );
  const neighbour = (change: Partial<DeploymentsQuery>) =>
    `${path}?${deploymentsSearch({ ...query, version: null, after: null, before: null, ...change })}`;
  const [first, last] = [page.rows[0], page.rows.at(-1)];
  const empty = page.rows.length === 0 && !filters.active && query.after === null && query.before === null;
  return {
    rows: page.rows.map((row) => toDeploymentRow(row, context)),
    asOf: nowMs,
    filters,
    rolledBack: pointer?.isRolledBack ? rolledBackView(pointer, base) : null,
    newerHref: page.newer && first ? neighbour({ before: first.id }) : null,
    olderHref: page.older && last ? neighbour({ after: last.id }) : null,
    first: empty ? firstSteps(env.slug) : null,
  };
}

/** What to type in an environment without deployments. */
function firstSteps(slug: string): { sentence: string; command: string } {
  if (slug === "dev")
    return { sentence: "dev runs the code on your machine, so nothing is deployed to it.", command: "npx trigger.dev@4.8.3 dev" };
  const option = slug === "prod" ? "" : ` --env ${slug}`;
  return {
    sentence: `Nothing is deployed to ${slug} yet. Run this in your project; no Docker is needed.`,
    command: `npx trigger.dev@4.8.3 deploy${option}`,
  };
}

/** What is paused, and since when. */
function rolledBackView(pointer: Pointer, base: string): RolledBackView {
  const { leftVersion, leftCode } = pointer;
  return {
    current: pointer.currentVersion,
    currentHref: `${base}/deployments/${pointer.currentCode}`,
    from: leftVersion && leftCode ? { version: leftVersion, href: `${base}/deployments/${leftCode}` } : null,
    at: pointer.rolledBackAt?.getTime() ?? null,
    by: pointer.rolledBackAt ? actorWords(pointer.rolledBackActor, pointer.rolledBackBy) : null,
  };
}

/** Throws AppError 404 for a version that the environment does not have. */
async function readPage(app: ListApp, input: DeploymentListInput, nowMs: number): Promise<Page> {
  const { query, env } = input;
  const read = (sql: string, bound: { after: string | null; before: string | null }, limit: number) =>
    rowsOf(app, sql, { ...input, bound, limit, nowMs });
  if (query.version !== null) {
    const wanted = await deploymentByVersion(app.deployments.pool, env.id, query.version);
    if (!wanted) throw new AppError("deployment_not_found", 404, `There is no deployment ${query.version} in ${env.slug}.`);
    // Ids end in letters and digits: the id and one more sign is the smallest bound that still shows it.
    const rows = await read(OLDER_SQL, { after: `${wanted.id}!`, before: null }, PAGE_SIZE + 1);
    const newer = await read(NEWER_SQL, { after: null, before: wanted.id }, 1);
    return { rows: rows.slice(0, PAGE_SIZE), newer: newer.length > 0, older: rows.length > PAGE_SIZE };
  }
  if (query.before !== null) {
    const rows = await read(NEWER_SQL, { after: null, before: query.before }, PAGE_SIZE + 1);
    return { rows: rows.slice(0, PAGE_SIZE).reverse(), newer: rows.length > PAGE_SIZE, older: true };
  }
  const rows = await read(OLDER_SQL, { after: query.after, before: null }, PAGE_SIZE + 1);
  return { rows: rows.slice(0, PAGE_SIZE), newer: query.after !== null, older: rows.length > PAGE_SIZE };
}

type Bounded = DeploymentListInput & { bound: { after: string | null; before: string | null }; limit: number; nowMs: number };

async function rowsOf(app: ListApp, sql: string, { env, query, bound, limit, nowMs }: Bounded): Promise<ListedDeployment[]> {
  const via = viaFilter(query.from);
  const patterns = (starts: readonly string[]) => starts.map((start) => `${start}%`);
  const { rows } = await app.deployments.pool.query<ListedDeployment>(sql, [
    ...[env.id, query.status.length > 0 ? query.status : null, query.branch],
    ...[via && patterns(via.via), via?.notVia ?? [], via?.none ?? false],
    ...[bound.after, bound.before, freshSince(nowMs), limit],
  ]);
  return rows.map((row) => ({ ...row, steps: listedSteps.parse(row.steps), regions: listedRegions.parse(row.regions) }));
}
