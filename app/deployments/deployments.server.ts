/**
 * Deployments: what `trigger deploy` uploads becomes a release, is proven in its regions, and becomes the version that
 * runs execute on. This file composes the parts; each has a factory of its own.
 */
import type { Environments } from "../environments/environments.server";
import type { Clock } from "../platform/clock";
import type { Pool } from "../platform/db.server";
import type { Logger } from "../platform/logger";
import { RetryableError } from "../utils/appError";
import { createDeploymentApi, type DeploymentApi } from "./api/api.server";
import { createArtifacts, type Artifacts } from "./artifacts/artifacts.server";
import { createAuditLog } from "./audit.server";
import { createDeploymentEvents } from "./events.server";
import { createDeploymentFeed } from "./feed.server";
import type { AuditLog, DeploymentEvents, DeploymentFeed, Workflow } from "./ports";
import { DeploySettingsStore } from "./settings.server";

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
  /** Instead of this server's own; for tests of what happens around it. */
  workflow?: Workflow;
};

/** What every part may need; a part takes the fields that it uses. */
export type DeploymentsCore = DeploymentsOptions & { events: DeploymentEvents; feed: DeploymentFeed; audit: AuditLog };

export type Deployments = {
  events: DeploymentEvents;
  feed: DeploymentFeed;
  audit: AuditLog;
  artifacts: Artifacts;
  settings: DeploySettingsStore;
  api: DeploymentApi;
  workflow: Workflow;
  start(): Promise<void>;
  /** Ends held answers and streams, so that their connections close; clients ask again, elsewhere. */
  drain(): void;
  stop(): Promise<void>;
};

/** Builds the domain; connects to nothing before `start`. */
export function createDeployments(options: DeploymentsOptions): Deployments {
  const { pool, clock, dataDir, environments } = options;
  const events = createDeploymentEvents(options);
  const feed = createDeploymentFeed({ databaseUrl: options.directDatabaseUrl, log: options.log });
  const audit = createAuditLog({ clock });
  const core: DeploymentsCore = { ...options, events, feed, audit };
  const workflow = options.workflow ?? NO_DEPLOYER;
  const api = createDeploymentApi({ ...core, workflow });
  return {
    ...{ events, feed, audit, workflow, api },
    artifacts: createArtifacts({ pool, clock, dataDir, secret: environments.secretBox.derive("artifact-uploads") }),
    settings: new DeploySettingsStore({ pool, audit }),
    start: () => feed.start(),
    drain: () => {
      api.hold.drain();
      api.follow.drain();
    },
    stop: () => feed.stop(),
  };
}

/** A server without a deployer takes no deployments: nothing is inserted that nobody would run. */
const NO_DEPLOYER: Workflow = {
  start: () => Promise.reject(new RetryableError("no_deployer", "This server has no deployer. Nothing was created.")),
  signal: () => Promise.resolve(),
};
