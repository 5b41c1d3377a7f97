/**
 * Deployments: what `trigger deploy` uploads becomes a release, is proven in its regions, and becomes the version that
 * runs execute on. This file composes the parts; each has a factory of its own.
 */
import type { Environments } from "../environments/environments.server";
import type { Clock } from "../platform/clock";
import type { Pool } from "../platform/db.server";
import type { Logger } from "../platform/logger";
import { createDeploymentEvents } from "./events.server";
import { createDeploymentFeed } from "./feed.server";
import type { AuditLog, DeploymentEvents, DeploymentFeed, Workflow } from "./ports";

export type DeploymentsOptions = {
  /** Of the control-plane database. */
  pool: Pool;
  /** For LISTEN: a connection that no transaction pooler stands in. */
  directDatabaseUrl: string;
  /** Where uploads and releases are kept. */
  dataDir: string;
  /** Address of this server, for links. */
  origin: string;
  holdSegmentMs: number;
  environments: Environments;
  clock: Clock;
  log: Logger;
};

/** What every part may need; a part takes the fields that it uses. */
export type DeploymentsCore = DeploymentsOptions & { events: DeploymentEvents; feed: DeploymentFeed };

export type Deployments = {
  events: DeploymentEvents;
  feed: DeploymentFeed;
  start(): Promise<void>;
  stop(): Promise<void>;
};

/** Builds the domain; connects to nothing before `start`. */
export function createDeployments(options: DeploymentsOptions): Deployments {
  const events = createDeploymentEvents(options);
  const feed = createDeploymentFeed({ databaseUrl: options.directDatabaseUrl, log: options.log });
  return {
    events,
    feed,
    start: () => feed.start(),
    stop: () => feed.stop(),
  };
}

export type { AuditLog, Workflow };
