/**
 * Deployments: what `trigger deploy` uploads becomes a release, is proven in its regions, and becomes the version that
 * runs execute on. This file composes the parts; each has a factory of its own.
 */
import type { Environments } from "../environments/environments.server";
import type { Clock } from "../platform/clock";
import type { Pool } from "../platform/db.server";
import type { Logger } from "../platform/logger";
import { createDeploymentApi, type DeploymentApi } from "./api/api.server";
import { createArtifacts, type Artifacts } from "./artifacts/artifacts.server";
import { createAuditLog } from "./audit.server";
import { createBuilds, type Builds } from "./build/builds.server";
import { createDeploymentEvents } from "./events.server";
import { createDeploymentFeed } from "./feed.server";
import { createLifecycle, type Lifecycle } from "./lifecycle/lifecycle.server";
import type { VersionsInUse } from "./lifecycle/versionsInUse";
import type { AuditLog, DeploymentEvents, DeploymentFeed, Workflow } from "./ports";
import { ChangeCurrentDeploymentService } from "./promotion/changeCurrentDeployment.server";
import { createFollowUpHandlers, type FollowUpHandlers } from "./promotion/followUps.server";
import { readRegionHealth } from "./regions/regionHealth.server";
import { RegionSettingsStore } from "./regionSettings.server";
import { DeploySettingsStore } from "./settings.server";
import { createBuildOutput } from "./releases/discardRelease.server";
import { openReleaseStore } from "./releases/openReleaseStore.server";
import { Releases } from "./releases/releases.server";
import { createArtifactCheck } from "./workflow/artifactCheck.server";
import { deployerTiming } from "./workflow/deployer/deployer.server";
import type { ExtraSweep } from "./workflow/ports";
import { createDeploymentWorkflow } from "./workflow/workflow.server";

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
  /** See `DEPLOYER_LEASE_MS`. */
  deployerLeaseMs: number;
  /** Where releases are kept; null or nothing: below the data directory. */
  releaseStoreUrl?: string | null;
  environments: Environments;
  clock: Clock;
  log: Logger;
  /** Of the runs: what they still need, and those that wait for a version. */
  runs: { versionsInUse: VersionsInUse; releaseWaitingRuns(envId: string): Promise<unknown> };
  /** Removes the bytes of a release; default: from the store. */
  removeRelease?: (digest: string) => Promise<void>;
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
  /** The built versions: their bytes and rows. */
  releases: Releases;
  /** Builds on their way to agents and back. */
  builds: Builds;
  settings: DeploySettingsStore;
  regionSettings: RegionSettingsStore;
  /** Of the control-plane database: pages read with statements of their own. */
  pool: Pool;
  api: DeploymentApi;
  workflow: Workflow;
  /** Promote, rollback, and the promotion at the end of a deployment. */
  changeCurrent: ChangeCurrentDeploymentService;
  /** Stop, wake, redeploy, and the sweeps of what is over. */
  lifecycle: Lifecycle;
  /** Handlers of `deployment_job` rows that a promotion leaves behind. */
  followUps: FollowUpHandlers;
  start(): Promise<void>;
  /** Ends held answers and streams, so that their connections close; clients ask again, elsewhere. */
  drain(): void;
  stop(): Promise<void>;
};

/** Builds the domain; connects to nothing before `start`. */
export function createDeployments(options: DeploymentsOptions): Deployments {
  const { pool, clock, dataDir, environments, runs } = options;
  const events = createDeploymentEvents(options);
  const feed = createDeploymentFeed({ databaseUrl: options.directDatabaseUrl, log: options.log });
  const audit = createAuditLog({ clock });
  const core: DeploymentsCore = { ...options, events, feed, audit };
  const storeUrl = options.releaseStoreUrl ?? null;
  const artifacts = createArtifacts({ pool, clock, dataDir, storeUrl, secret: environments.secretBox.derive("artifact-uploads") });
  const store = openReleaseStore({ url: storeUrl, dataDir, now: () => new Date(clock.now()) });
  const releases = new Releases({ pool, clock, store });
  const followUps = createFollowUpHandlers({ pool, releaseWaitingRuns: runs.releaseWaitingRuns });
  // The workflow promotes and sweeps, and both start workflows: what it needs of them it asks for when it runs.
  const deployer = createDeploymentWorkflow({
    ...{ ...core, timing: deployerTiming(options.deployerLeaseMs) },
    ports: {
      promotion: { inTransaction: (tx, request) => changeCurrent.inTransaction(tx, request) },
      buildInput: createArtifactCheck({ pool, files: artifacts.files }),
      buildOutput: createBuildOutput({ pool, releases }),
      jobs: followUps,
      sweeps: lifecycleSweeps(() => lifecycle, clock),
    },
  });
  const workflow = options.workflow ?? deployer;
  const lifecycle = createLifecycle({
    ...{
      ...core,
      workflow,
      versionsInUse: runs.versionsInUse,
      removeRelease: (digest: string) => releases.removeBytes(digest),
    },
    health: (db, deploymentId) => readRegionHealth(db, clock, deploymentId),
    removeArtifact: (key) => artifacts.files.remove(key),
  });
  const changeCurrent = new ChangeCurrentDeploymentService({ pool, clock, audit, wake: lifecycle.wakeAndWait });
  const api = createDeploymentApi({ ...core, workflow });
  const builds = createBuilds({
    ...{ ...core, workflow, releases, directory: environments.directory },
    variables: api.buildVariables,
    files: artifacts.files,
  });
  return {
    ...{ events, feed, audit, workflow, api, artifacts, releases, builds, lifecycle, changeCurrent, followUps },
    settings: new DeploySettingsStore({ pool, audit }),
    regionSettings: new RegionSettingsStore({ pool, audit }),
    pool,
    start: async () => {
      await feed.start();
      if (workflow === deployer) await deployer.startLoops();
    },
    drain: () => {
      api.hold.drain();
      api.follow.drain();
      builds.drain();
    },
    stop: async () => {
      if (workflow === deployer) await deployer.stopLoops();
      await feed.stop();
    },
  };
}

const COLLECT_EVERY_MS = 10 * 60_000;

/** Work of the deployer: plans that are due with every sweep, garbage now and then. */
function lifecycleSweeps(lifecycle: () => Lifecycle, clock: Clock): ExtraSweep[] {
  let collectedAt = Number.NEGATIVE_INFINITY;
  return [
    { name: "lifecycle", run: () => lifecycle().sweep(clock.now()) },
    {
      name: "garbage",
      run: async () => {
        const now = clock.now();
        if (now - collectedAt < COLLECT_EVERY_MS) return;
        collectedAt = now;
        await lifecycle().collectGarbage(now);
      },
    },
  ];
}
