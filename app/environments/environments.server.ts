/**
 * Tenancy: organizations, projects, environments, keys, variables, queues and worker versions.
 *
 * Hot reads go through `directory` (its methods are repeated on the facade); everything else is cold and goes to the
 * control-plane database. What changes is heard through `changes`.
 */
import type { Clock } from "../platform/clock";
import type { Pool, PoolClient } from "../platform/db.server";
import type { Logger } from "../platform/logger";
import { createConfigChanges } from "./directory/configChanges.server";
import { CreateEnvironmentService } from "./tenancy/createEnvironment.server";
import { CreateOrganizationService } from "./tenancy/createOrganization.server";
import { CreateProjectService } from "./tenancy/createProject.server";
import { createDirectory } from "./directory/directory.server";
import { EnvironmentVariableStore } from "./environmentVariables.server";
import { FeatureFlags } from "./featureFlags.server";
import { createControlPlaneClient, type ControlPlaneClient } from "./prisma.server";
import {
  RegisterWorkerVersionService,
  type RegisterDeployedVersion,
  type RegisteredWorker,
  type RegisterWorkerVersion,
} from "./workers/registerWorkerVersion.server";
import { RotateEnvironmentKeyService } from "./tenancy/rotateEnvironmentKey.server";
import { createSecretBox, type SecretBox } from "./secretBox.server";
import { Tenancy } from "./tenancy/tenancy.server";
import { UpdateEnvironmentService, type EnvironmentChange } from "./tenancy/updateEnvironment.server";
import { UpdateQueueService, type QueueChange } from "./workers/updateQueue.server";
import { UpsertBranchService } from "./tenancy/upsertBranch.server";
import type { ConfigChanges, EnvironmentDirectory, QueueView } from "./types";

export type EnvironmentsOptions = {
  /** Of the control-plane database. */
  pool: Pool;
  /** For LISTEN: a connection that no transaction pooler stands in. */
  directDatabaseUrl: string;
  /** 64 hexadecimal characters. */
  encryptionKey: string;
  /** Runs that may execute at once in a new environment. */
  defaultConcurrency: number;
  clock: Clock;
  log: Logger;
};

export type Environments = EnvironmentDirectory & {
  /** The same cached reads, for whoever takes the port alone. */
  directory: EnvironmentDirectory;
  changes: ConfigChanges;
  /** Lists and lookups for a person, scoped by membership. */
  tenancy: Tenancy;
  variableStore: EnvironmentVariableStore;
  flags: FeatureFlags;
  /** Encrypts at rest, and derives the keys of the server's own signatures. */
  secretBox: SecretBox;
  prisma: ControlPlaneClient;
  /** Stores what the CLI registered; see `RegisterWorkerVersionService`. */
  registerWorkerVersion(input: RegisterWorkerVersion): Promise<RegisteredWorker>;
  /** Stores the worker of a deployment, in the caller's transaction, without making it current. */
  registerDeployedVersion(tx: PoolClient, input: RegisterDeployedVersion): Promise<RegisteredWorker>;
  createOrganization: CreateOrganizationService;
  createProject: CreateProjectService;
  upsertBranch: UpsertBranchService;
  rotateKey: RotateEnvironmentKeyService;
  /** Limits, pause, archival. */
  updateEnvironment(envId: string, change: EnvironmentChange): Promise<void>;
  /** Pause, resume, override or reset of one queue. */
  updateQueue(input: { envId: string; name: string; change: QueueChange }): Promise<QueueView>;
  /** Begins to listen for changes. Until then nothing is cached longer than 500 ms. */
  start(): Promise<void>;
  stop(): Promise<void>;
};

/** Builds the domain; connects to nothing before `start`. */
export function createEnvironments(options: EnvironmentsOptions): Environments {
  const { pool, clock, log } = options;
  const prisma = createControlPlaneClient(pool);
  const secretBox = createSecretBox(options.encryptionKey);
  const changes = createConfigChanges({ databaseUrl: options.directDatabaseUrl, clock, log });
  const directory = createDirectory({ pool, secretBox, changes, clock, log });
  const maxConcurrency = options.defaultConcurrency;
  const createEnvironment = new CreateEnvironmentService({ prisma, secretBox, clock, maxConcurrency });
  const register = new RegisterWorkerVersionService({ pool, clock });
  const updateEnvironment = new UpdateEnvironmentService({ prisma, clock });
  const updateQueue = new UpdateQueueService({ prisma, clock });
  return {
    directory,
    changes,
    bySecretKey: (key) => directory.bySecretKey(key),
    byId: (envId) => directory.byId(envId),
    bySlug: (ref, slug, branch) => directory.bySlug(ref, slug, branch),
    workerVersion: (id) => directory.workerVersion(id),
    versionByName: (envId, version) => directory.versionByName(envId, version),
    queues: (envId) => directory.queues(envId),
    variables: (envId) => directory.variables(envId),
    tenancy: new Tenancy({ prisma, directory }),
    variableStore: new EnvironmentVariableStore({ prisma, secretBox, clock }),
    flags: new FeatureFlags({ prisma, clock }),
    secretBox,
    prisma,
    registerWorkerVersion: (input) => register.call(input),
    registerDeployedVersion: (tx, input) => register.deployed(tx, input),
    createOrganization: new CreateOrganizationService(prisma, clock),
    createProject: new CreateProjectService({ prisma, secretBox, clock, maxConcurrency }),
    upsertBranch: new UpsertBranchService({ prisma, createEnvironment, clock }),
    rotateKey: new RotateEnvironmentKeyService({ prisma, secretBox, clock }),
    updateEnvironment: (envId, change) => updateEnvironment.call(envId, change),
    updateQueue: (input) => updateQueue.call(input),
    start: () => changes.start(),
    stop: async () => {
      directory.stop();
      await changes.stop();
    },
  };
}
