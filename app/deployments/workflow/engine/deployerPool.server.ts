/** Connections of the deployer: apart from those that answer requests, so that deployments which wait for the database keep nobody else waiting. */
import { createPool, type Pool } from "../../../platform/db.server";
import type { Logger } from "../../../platform/logger";

/** Locks of a deployer that was paused or whose machine is gone must not outlast its lease by much. */
const SESSION_SETTINGS = "-c idle_in_transaction_session_timeout=10000 -c client_connection_check_interval=1000";

export type DeployerPoolOptions = {
  /** Of the control-plane database; no transaction pooler in between. */
  directDatabaseUrl: string;
  /** Most connections at once. */
  max: number;
  /** Shows in pg_stat_activity. */
  name: string;
  log: Logger;
};

/** Connects on first use; whoever makes it ends it. */
export function createDeployerPool({ directDatabaseUrl, ...options }: DeployerPoolOptions): Pool {
  const url = new URL(directDatabaseUrl);
  url.searchParams.set("options", [url.searchParams.get("options"), SESSION_SETTINGS].filter(Boolean).join(" "));
  return createPool({ ...options, url: url.href });
}
