/** Log lines and the final line of a deployment. */
import type { Pool } from "../platform/db.server";
import { loadScript } from "../platform/scripts.server";
import type { DeploymentEvent, DeploymentEvents, NewDeploymentEvent, Queryable } from "./ports";

const APPEND_SQL = loadScript("deployments/sql/events-append.sql");
const AFTER_SQL =
  "SELECT seq, at, type, step, level, body FROM deployment_event WHERE deployment_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
/** Longer lines are minified sources, not messages. */
const MAX_BODY = 16_000;
const MAX_PAGE = 5_000;

/** Events in the control-plane database. */
export function createDeploymentEvents({ pool }: { pool: Pool }): DeploymentEvents {
  return {
    append: (db, deploymentId, rows) => append(db, deploymentId, rows),
    after: async (deploymentId, seq, limit) => {
      const { rows } = await pool.query<DeploymentEvent>(AFTER_SQL, [deploymentId, seq, Math.min(limit, MAX_PAGE)]);
      return rows;
    },
  };
}

async function append(db: Queryable, deploymentId: string, rows: readonly NewDeploymentEvent[]): Promise<void> {
  if (rows.length === 0) return;
  await db.query(APPEND_SQL, [
    deploymentId,
    rows.map((row) => row.type ?? "log"),
    rows.map((row) => row.step),
    rows.map((row) => row.level),
    rows.map((row) => storable(row.body)),
  ]);
}

/** Postgres text holds no NUL, and half a surrogate pair is no text at all. */
function storable(body: string): string {
  const cut = body.length > MAX_BODY ? `${body.slice(0, MAX_BODY)}…` : body;
  return cut.replaceAll("\u0000", "").toWellFormed();
}
