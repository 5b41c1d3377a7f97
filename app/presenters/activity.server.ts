/** What the navigation counts: runs that execute and deployments on their way in an environment; processes and regions of all. */
import { AGENT_SILENCE_MS } from "../../agent/protocol";
import { FEED_CONNECTION_NAME } from "../deployments/feed.server";
import { ACTIVE_PHASES, STATUS_OF_PHASE } from "../deployments/phases";
import { withDeadline } from "../platform/deadline";
import { loadScript } from "../platform/scripts.server";
import type { App } from "../wiring.server";
import type { ShellActivity, ShellInstallation } from "./shellView";

const ACTIVE_SQL = loadScript("presenters/deployments/sql/active-count.sql");
const INSTALLATION_SQL = loadScript("presenters/deployments/sql/installation.sql");
const PATIENCE_MS = 1_000;
const ACTIVE_STATUSES = [...new Set(ACTIVE_PHASES.map((phase) => STATUS_OF_PHASE[phase]))];

/** Null where a store does not answer: the page is not held up by its frame. */
export async function presentActivity(app: Pick<App, "index" | "deployments">, envId: string): Promise<ShellActivity> {
  const [counts, active] = await Promise.all([
    orNull(app.index.counts(envId)),
    orNull(app.deployments.pool.query<{ deploying: number }>(ACTIVE_SQL, [envId, ACTIVE_STATUSES])),
  ]);
  return { executing: counts?.running ?? null, deploying: active?.rows[0]?.deploying ?? null };
}

function orNull<T>(work: Promise<T>): Promise<T | null> {
  return withDeadline(work, PATIENCE_MS).catch(() => null);
}

/** Throws when Postgres does not answer. */
export async function presentInstallation({ deployments, clock }: Pick<App, "deployments" | "clock">): Promise<ShellInstallation> {
  const freshSince = new Date(clock.now() - AGENT_SILENCE_MS);
  const { rows } = await deployments.pool.query<ShellInstallation>(INSTALLATION_SQL, [FEED_CONNECTION_NAME, freshSince]);
  const { processes = 0, regions = 0, connected = 0 } = rows[0] ?? {};
  // This process answers, also while its own connection is being made again.
  return { processes: Math.max(1, processes), regions, connected };
}
