/** A tenant with deployments that are simply there, for tests of what happens to them afterwards. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createDeployments, type Deployments } from "../app/deployments/deployments.server";
import { type Phase, STATUS_OF_PHASE } from "../app/deployments/phases";
import type { Actor, Workflow } from "../app/deployments/ports";
import { newShortCode } from "../app/deployments/versions";
import { createEnvironments, type Environments } from "../app/environments/environments.server";
import type { EnvironmentView } from "../app/environments/types";
import { manualClock } from "../app/platform/clock";
import type { Pool } from "../app/platform/db.server";
import { createRunStore } from "../app/runops/resident/resident.server";
import type { RunStore } from "../app/runops/runStore";
import { mintId } from "../app/utils/ids";
import type { TestServices } from "./services";
import { createTenant, TEST_ENCRYPTION_KEY, type Tenant } from "./tenant";

export type DeploymentFixture = {
  environments: Environments;
  deployments: Deployments;
  tenant: Tenant;
  store: RunStore;
  clock: ReturnType<typeof manualClock>;
  /** Deployments whose workflow was started, in order. */
  started: string[];
  /** Runs that wait for a version were offered again, by environment. */
  released: string[];
  /** Where uploads are. */
  dataDir: string;
  close(): Promise<void>;
};

/** Starts the domain without a deployer: workflows are noted, not run. */
export async function createDeploymentFixture(services: TestServices): Promise<DeploymentFixture> {
  const { pool, databaseUrl, log } = services;
  const clock = manualClock(Date.now());
  const dataDir = await mkdtemp(path.join(os.tmpdir(), "sluice-deployments-"));
  const environments = createEnvironments({
    ...{ pool, clock, log, directDatabaseUrl: databaseUrl, encryptionKey: TEST_ENCRYPTION_KEY },
    defaultConcurrency: 100,
  });
  await environments.start();
  const store = createRunStore({ url: databaseUrl, name: "deployment-fixture", clock, log });
  const [started, released]: [string[], string[]] = [[], []];
  const workflow: Workflow = {
    start: (_tx, id) => Promise.resolve(void started.push(id)),
    signal: () => Promise.resolve(),
  };
  const deployments = createDeployments({
    ...{ pool, environments, clock, log, dataDir, workflow, directDatabaseUrl: databaseUrl },
    origin: "http://sluice.test",
    holdSegmentMs: 1_000,
    deployerLeaseMs: 15_000,
    runs: {
      versionsInUse: (versionIds, since) => store.versionsInUse(versionIds, since),
      releaseWaitingRuns: (envId) => Promise.resolve(void released.push(envId)),
    },
  });
  await deployments.start();
  const tenant = await createTenant(environments);
  return {
    ...{ environments, deployments, tenant, store, clock, started, released, dataDir },
    close: async () => {
      await deployments.stop();
      await store.stop();
      await environments.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Someone with a key. */
export const ACTOR: Actor = { type: "key", id: "tests", name: "Tests", ip: "192.0.2.1", userAgent: "vitest", correlationId: "c-1" };

export type InsertedDeployment = { id: string; version: string; shortCode: string; workerId: string | null; digest: string | null };
export type InsertOptions = {
  version: string;
  phase?: Phase;
  desiredState?: "running" | "stopped";
  hasWorker?: boolean;
  hasRelease?: boolean;
  skipPromotion?: boolean;
  artifactKey?: string;
  bundleKey?: string;
  at?: number;
};

/** A deployment as a finished workflow leaves it: ready, with a worker, a release and one replica wanted in region `local`. */
export async function insertReady(pool: Pool, env: EnvironmentView, options: InsertOptions): Promise<InsertedDeployment> {
  const { version, phase = "ready" } = options;
  const at = options.at ?? Date.now();
  const id = mintId(at);
  const workerId = options.hasWorker === false ? null : await insertWorker(pool, env.id, version);
  const digest = options.hasRelease === false ? null : digestOf(id);
  if (digest !== null) {
    await pool.query(
      `INSERT INTO release (digest, platform, node_abi, bytes, location, created_at, last_used_at) VALUES ($1, 'linux', '127', 1, 'x', $2, $2)`,
      [digest, new Date(at)]
    );
  }
  const shortCode = newShortCode();
  const desiredState = options.desiredState ?? (phase === "stopped" ? "stopped" : "running");
  await pool.query(
    `INSERT INTO deployment (id, project_id, environment_id, short_code, version, content_hash, phase, status, desired_state, worker_version_id,
       release_digest, skip_promotion, artifact_key, bundle_key, from_bundle, deployed_at, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, 'hash', $6, $7, $8, $9, $10, $11, $12, $13, true, $14, $14, $14)`,
    [
      ...[id, env.project.id, env.id, shortCode, version, phase, STATUS_OF_PHASE[phase], desiredState, workerId, digest],
      ...[options.skipPromotion ?? false, options.artifactKey ?? null, options.bundleKey ?? null, new Date(at)],
    ]
  );
  await pool.query(
    `INSERT INTO deployment_topology (deployment_id, region_id, desired_replicas, min_replicas, desired_status) VALUES ($1, 'local', 1, 1, $2)`,
    [id, desiredState]
  );
  return { id, version, shortCode, workerId, digest };
}

/** Digest of the release of a deployment: its bytes are the deployment's id. */
export function digestOf(deploymentId: string): string {
  return `sha256:${createHash("sha256").update(deploymentId).digest("hex")}`;
}

/** A worker version without tasks. */
export async function insertWorker(pool: Pool, envId: string, version: string): Promise<string> {
  const id = mintId(Date.now());
  await pool.query(
    `INSERT INTO worker_version (id, environment_id, version, content_hash, sdk_version, cli_version, metadata)
     VALUES ($1, $2, $3, 'hash', '4.8.3', '4.8.3', '{}')`,
    [id, envId, version]
  );
  return id;
}

/** An agent of region `local` reports one process of the deployment; a null state takes the report back. */
export async function reportInstance(pool: Pool, deploymentId: string, report: { state: string | null; at: number }): Promise<void> {
  await pool.query(
    `INSERT INTO agent (id, region_id, instance_name, capabilities, slots, last_seen_at) VALUES ('agent-1', 'local', 'a', '{}', 4, $1)
     ON CONFLICT (id) DO UPDATE SET last_seen_at = $1`,
    [new Date(report.at)]
  );
  await pool.query("DELETE FROM deployment_instance WHERE deployment_id = $1", [deploymentId]);
  if (report.state === null) return;
  await pool.query(
    `INSERT INTO deployment_instance (id, deployment_id, region_id, agent_id, runner_id, state, last_seen_at)
     VALUES ($1, $2, 'local', 'agent-1', $1, $3, $4)`,
    [mintId(report.at), deploymentId, report.state, new Date(report.at)]
  );
}
