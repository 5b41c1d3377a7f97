/**
 * What an agent and the server say to each other beyond the supervisor protocol of `@trigger.dev/core`
 * (`SupervisorHttpClient`, `SupervisorSession`), which the agent speaks unchanged. Both sides import this file, so it
 * imports nothing of either. All calls carry `Authorization: Bearer tr_wgt_...` and `x-trigger-worker-instance-name`.
 * Ids are bare bodies unless a field says otherwise; paths of the supervisor protocol take `run_...` and `snapshot_...`.
 */
import { z } from "zod";

/** Below the server's address. */
export const WORKER_ACTIONS_PATH = "/engine/v1/worker-actions";

/** Paths of the calls that are ours; those of the supervisor protocol are in core's client. */
export const AGENT_PATHS = {
  desired: `${WORKER_ACTIONS_PATH}/deployments/desired`,
  changes: `${WORKER_ACTIONS_PATH}/deployments/changes`,
  report: `${WORKER_ACTIONS_PATH}/deployments/report`,
  /** One version, in the desired state or not: what a cold start of a run on it needs. */
  deployment: (id: string) => `${WORKER_ACTIONS_PATH}/deployments/${encodeURIComponent(id)}`,
  /** The bytes of a release; `digest` as in `releaseDigest`. */
  release: (digest: string) => `${WORKER_ACTIONS_PATH}/releases/${encodeURIComponent(digest)}`,
} as const;

/** Unique among the agents of a region; stable over restarts of an agent. */
export const INSTANCE_NAME_HEADER = "x-trigger-worker-instance-name";
/** Identity of the process that runs an attempt: a repeat of a start by the same runner is answered, not refused. */
export const RUNNER_ID_HEADER = "x-trigger-worker-runner-id";

/** An agent that was not heard of for this long has lost its replicas to the others of its region; milliseconds. */
export const AGENT_SILENCE_MS = 30_000;
/** How often an agent reports its instances when nothing changed, and sends heartbeats; milliseconds. A change is reported at once. */
export const REPORT_INTERVAL_MS = 5_000;
/** How often an agent reads the whole desired state, so that a lost change is repaired; milliseconds. */
export const FULL_SYNC_INTERVAL_MS = 60_000;
/** Longest hold of `dequeue` and `changes`; milliseconds. */
export const MAX_WAIT_MS = 20_000;
/** Most runs that one answer of `dequeue` may carry. */
export const MAX_RUNS_AN_ANSWER = 20;
/** Most slots that an agent may offer; the tables check the same number. */
export const MAX_SLOTS = 10_000;

export const agentRoleSchema = z.enum(["runner", "builder"]);
export type AgentRole = z.output<typeof agentRoleSchema>;

/** `L0`: same user as the agent; `L1`: a user per environment; `L2`: and cgroup limits. */
export const isolationSchema = z.enum(["L0", "L1", "L2"]);
export type Isolation = z.output<typeof isolationSchema>;

/** What an agent can do, shown on the regions page and used to place builds and replicas. */
const agentCapabilitiesSchema = z.object({
  platform: z.string().max(40),
  arch: z.string().max(40),
  /** `process.versions.modules`. */
  nodeAbi: z.string().max(20),
  /** Version of Node that replicas run on. */
  node: z.string().max(40),
  /** System packages that tasks may rely on. */
  packages: z.array(z.string().max(200)).max(500).default([]),
  isolation: isolationSchema,
  /** Why the level is not higher, for people; or null. */
  isolationNote: z.string().max(1_000).nullable().default(null),
  roles: z.array(agentRoleSchema).min(1).max(2),
  memoryMb: z.number().int().positive(),
});
export type AgentCapabilities = z.output<typeof agentCapabilitiesSchema>;

/** `metadata` of `connect` (core: a free record). An upstream supervisor sends none of it: it gets one slot and no replicas. */
export const connectMetadataSchema = z.object({
  capabilities: agentCapabilitiesSchema,
  /** Replicas and runs that fit into its memory at once. */
  slots: z.number().int().min(1).max(MAX_SLOTS),
});
export type ConnectMetadata = z.output<typeof connectMetadataSchema>;

/** Answer of `connect`: core's fields and ours. */
export const connectAnswerSchema = z.object({
  ok: z.literal(true),
  workerGroup: z.object({ type: z.string(), name: z.string() }),
  agentId: z.string(),
});
export type ConnectAnswer = z.output<typeof connectAnswerSchema>;

/** Body of `dequeue`: core's `maxResources` and ours. Without `waitMs` the answer comes at once. Answer: core's `DequeuedMessage[]`. */
export const dequeueRequestSchema = z.object({
  /** A run whose machine is larger goes back to its queue. cpu in cores, memory in GB. */
  maxResources: z.object({ cpu: z.number(), memory: z.number() }).optional(),
  /** Default 1, as upstream. */
  maxRunCount: z.number().int().min(1).max(MAX_RUNS_AN_ANSWER).optional(),
  /** Milliseconds to hold the call while there is no run. */
  waitMs: z.number().int().min(0).max(MAX_WAIT_MS).optional(),
});

/** A version as an agent has to run it. */
export const desiredDeploymentSchema = z.object({
  id: z.string(),
  /** `deployment_<id>`: `TRIGGER_DEPLOYMENT_FRIENDLY_ID`, and `deployment.friendlyId` of dequeued messages. */
  friendlyId: z.string(),
  version: z.string(),
  shortCode: z.string(),
  environmentId: z.string(),
  environmentSlug: z.string(),
  environmentType: z.string(),
  projectId: z.string(),
  projectRef: z.string(),
  organizationId: z.string(),
  /** `sha256:<hex>`. */
  releaseDigest: z.string(),
  contentHash: z.string(),
  /** Parked replicas that this agent keeps; 0 for a version that is only started for single runs. */
  replicas: z.number().int().min(0).max(20),
  /** Machine of parked replicas: `name` of a preset, cpu in cores, memory in GB. */
  machine: z.object({ name: z.string(), cpu: z.number(), memory: z.number() }),
  runtime: z.string().nullable(),
  /** The environment asks for it: turn `processKeepAlive` on where the user's config is silent. */
  processKeepAlive: z.boolean(),
  /** True while this version is the environment's current one. */
  isCurrent: z.boolean(),
  /** `OTEL_EXPORTER_OTLP_ENDPOINT` of its processes; carries a token, so it is not for logs. */
  otlpEndpoint: z.string(),
});
export type DesiredDeployment = z.output<typeof desiredDeploymentSchema>;

/** `GET .../deployments/desired`: everything that this agent keeps running. What is not in it is stopped once idle. */
export const desiredStateSchema = z.object({
  deployments: z.array(desiredDeploymentSchema),
  /** For `changes?after=`. */
  cursor: z.number().int().min(0),
});
export type DesiredState = z.output<typeof desiredStateSchema>;

/** `GET .../deployments/changes?after=<cursor>&waitMs=<n>`. Held while nothing changed; then read the desired state again. */
export const changesQuerySchema = z.object({
  after: z.coerce.number().int().min(0),
  waitMs: z.coerce.number().int().min(0).max(MAX_WAIT_MS).default(MAX_WAIT_MS),
});
export const changesAnswerSchema = z.object({
  /** Deployments whose desired state in this region changed; empty after a hold in vain. */
  deploymentIds: z.array(z.string()),
  cursor: z.number().int().min(0),
});
export type ChangesAnswer = z.output<typeof changesAnswerSchema>;

/**
 * `preparing`: fetching and unpacking. `running`: parked, or with a run. `draining`: told to stop, finishing its run.
 * `failed`: will not be tried again until the desired state changes (crash loop, bad release). `stopped`: just ended.
 */
const instanceStateSchema = z.enum(["preparing", "running", "draining", "failed", "stopped"]);

export const MAX_INSTANCES_A_REPORT = 2_000;

const reportedInstanceSchema = z.object({
  /** Names the process among those of the agent. Not the secret that the process itself presents. */
  runnerId: z.string().min(1).max(128),
  deploymentId: z.string().min(1).max(64),
  pid: z.number().int().positive().nullable(),
  state: instanceStateSchema,
  /** Last thing worth telling a person; shown as the region's reason when it does not become healthy. */
  message: z.string().max(4_000).nullable(),
  restarts: z.number().int().min(0),
});
export type ReportedInstance = z.output<typeof reportedInstanceSchema>;

/** `POST .../deployments/report`: the whole set of the reporting agent; what it does not name is forgotten. Counts as a heartbeat. */
export const reportSchema = z.object({ instances: z.array(reportedInstanceSchema).max(MAX_INSTANCES_A_REPORT) });
export type Report = z.output<typeof reportSchema>;
/** What a report may contain before defaults. */
export type ReportInput = z.input<typeof reportSchema>;

/** `unknown`: deployments that the server does not have (any more): stop and remove them. */
export const reportAnswerSchema = z.object({ ok: z.literal(true), unknown: z.array(z.string()) });
export type ReportAnswer = z.output<typeof reportAnswerSchema>;

/** Content of `<data dir>/agent.json`, mode 0600: how the local agent finds its server. */
export const agentFileSchema = z.object({ url: z.string(), token: z.string(), region: z.string() });
export type AgentFile = z.output<typeof agentFileSchema>;

/** Reasons of `{ok: false, error}` that `suspend` always answers: processes wait in memory. */
export const SUSPEND_REFUSED = "This server keeps waiting processes in memory; there are no checkpoints.";
