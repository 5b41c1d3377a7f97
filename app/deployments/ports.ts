/** What the parts of deployments know of each other. Everything that writes takes the caller's transaction. */
import type { Pool, PoolClient } from "../platform/db.server";
import type { Phase, Step, WireStatus } from "./phases";

/** A pool, or the transaction that a caller has open. */
export type Queryable = Pool | PoolClient;

/** Who did something, as audit and history keep it. */
export type Actor = {
  type: "user" | "key" | "system" | "agent";
  /** User id, environment id of the key, or a name such as `deploy` for the system. */
  id: string;
  name: string | null;
  ip: string | null;
  userAgent: string | null;
  /** The client's request key, so that the lines of one command are found together. */
  correlationId: string | null;
};

/** Reasons to look at the rows again; a lost one costs the 2 s until a wait re-reads by itself. */
export type WorkflowTopic = "cancel" | "slot" | "build" | "worker" | "bundle" | "health";

export interface Workflow {
  /** Enqueues the workflow of a deployment in the transaction that inserts its row. A second start of the same one does nothing. */
  start(tx: PoolClient, deploymentId: string): Promise<void>;
  signal(tx: Queryable, deploymentId: string, topic: WorkflowTopic): Promise<void>;
}

export type EventLevel = "debug" | "info" | "warn" | "error";
export type NewDeploymentEvent = {
  step: Step | null;
  level: EventLevel;
  /** `log` unless this is the one line that says how the deployment ended. */
  type?: "log" | "finalized";
  body: string;
};
export type DeploymentEvent = {
  /** From 1, without gaps; a reader that has seen n asks for what is after n and misses nothing. */
  seq: number;
  at: Date;
  type: "log" | "finalized";
  step: Step | null;
  level: EventLevel;
  body: string;
};

export interface DeploymentEvents {
  /** Numbers follow the order of commits: the deployment's row is locked until the caller's transaction ends. */
  append(db: Queryable, deploymentId: string, rows: readonly NewDeploymentEvent[]): Promise<void>;
  after(deploymentId: string, seq: number, limit: number): Promise<DeploymentEvent[]>;
}

export type Unsubscribe = () => void;

/** What changed, as every process hears it. Hints: after a lost connection everyone is called once, with what is known. */
export interface DeploymentFeed {
  /** The row, a step, an event or an instance of one deployment. */
  onDeployment(deploymentId: string, listener: () => void): Unsubscribe;
  /** Any deployment of the environment; null when the connection was renewed and anything may have changed. */
  onEnvironment(envId: string, listener: (change: { deploymentId: string; phase: Phase } | null) => void): Unsubscribe;
  /** A deployment of whatever environment was created or changed its phase, or the connection was renewed. */
  onAnyDeployment(listener: () => void): Unsubscribe;
  /** The outbox of a region; null as above. */
  onTopology(regionId: string, listener: (seq: number | null) => void): Unsubscribe;
}

export type AuditEvent = {
  /** `deployment.create`, `deployment.promote`, `deploy_settings.update` and so on. */
  event: string;
  actor: Actor;
  organizationId: string;
  projectId: string;
  environmentId: string;
  deploymentId: string | null;
  meta?: Record<string, unknown>;
};
export interface AuditLog {
  /** In the transaction of the change, by the service that makes it, once. */
  write(tx: PoolClient, event: AuditEvent): Promise<void>;
}

/** What `errorData` shows; `causes` holds the parts of a combined error. */
export type DeploymentErrorData = { name: string; message: string; stack?: string; stderr?: string; causes?: DeploymentErrorData[] };

export type DeploySettings = {
  buildPath: "native_local_bundle" | "native";
  autoPromote: boolean;
  readiness: "min2" | "all-but-one" | "all";
  holdResponse: boolean;
  supersedeQueued: boolean;
  concurrentBuilds: number;
  processKeepAlive: boolean;
};

/** A deployment as its row is. `id` is the body of `deployment_<id>`. */
export type DeploymentRecord = {
  id: string;
  projectId: string;
  environmentId: string;
  shortCode: string;
  version: string;
  contentHash: string;
  phase: Phase;
  status: WireStatus;
  desiredState: "running" | "stopped";
  runtime: string | null;
  runtimeVersion: string | null;
  imageReference: string | null;
  workerVersionId: string | null;
  fromBundle: boolean;
  configFilePath: string | null;
  artifactKey: string | null;
  bundleKey: string | null;
  releaseDigest: string | null;
  skipPromotion: boolean;
  triggeredById: string | null;
  triggeredVia: string | null;
  commitSha: string | null;
  git: Record<string, unknown> | null;
  externalId: string | null;
  requestKey: string | null;
  holdRequests: number;
  redeployOfId: string | null;
  supersededById: string | null;
  leaderEpoch: number;
  cancelRequestedAt: Date | null;
  cancelReason: string | null;
  canceledReason: string | null;
  failureStep: Step | null;
  failureCode: string | null;
  errorData: DeploymentErrorData | null;
  createdAt: Date;
  startedAt: Date | null;
  installedAt: Date | null;
  builtAt: Date | null;
  deployedAt: Date | null;
  failedAt: Date | null;
  canceledAt: Date | null;
};
