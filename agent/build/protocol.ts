/**
 * What a builder and the server say to each other about one build. Both sides import this file. `claim`, `log`,
 * `heartbeat`, `done` and `artifact` carry the agent's token; what runs on behalf of the build (index, attach, upload of
 * the release) carries the build's own, which is worth nothing once the build has ended.
 */
import { z } from "zod";

const BASE = "/engine/v1/worker-actions/builds";

export const BUILD_PATHS = {
  claim: `${BASE}/claim`,
  log: `${BASE}/log`,
  heartbeat: `${BASE}/heartbeat`,
  done: `${BASE}/done`,
  /** Bytes of an upload. `which`: what the user uploaded, or the bundle that the CLI made of it. */
  artifact: (job: BuildJobRef, which: "source" | "bundle") =>
    `${BASE}/artifact?deploymentId=${encodeURIComponent(job.deploymentId)}&attempt=${job.attempt}&which=${which}`,
} as const;

/** A build is given to another builder when its own was silent for this long; milliseconds. */
export const BUILD_LEASE_MS = 30_000;
/** How often a builder says that it is alive and asks whether to go on; milliseconds. */
export const BUILD_HEARTBEAT_MS = 1_000;
/** Longest hold of `claim`; milliseconds. */
export const MAX_CLAIM_WAIT_MS = 20_000;
export const MAX_LOG_LINES = 500;
export const MAX_LOG_LINE_CHARS = 16_000;

export const claimRequestSchema = z.object({ waitMs: z.number().int().min(0).max(MAX_CLAIM_WAIT_MS).default(0) });

/** Names one attempt; only the newest of a deployment may act. */
export const buildJobRefSchema = z.object({ deploymentId: z.string().min(1).max(64), attempt: z.number().int().min(1) });
export type BuildJobRef = z.output<typeof buildJobRefSchema>;

/** A build as a builder gets it. */
const buildAssignmentSchema = buildJobRefSchema.extend({
  /** `source`: an archive of sources, to be bundled first. `bundle`: what the CLI bundled. */
  kind: z.enum(["source", "bundle"]),
  /** `tr_<slug>_bld_…`; a secret. */
  token: z.string(),
  /** `deployment_<id>`. */
  friendlyId: z.string(),
  version: z.string(),
  contentHash: z.string(),
  environmentId: z.string(),
  environmentSlug: z.string(),
  branchName: z.string().nullable(),
  projectId: z.string(),
  projectRef: z.string(),
  /** Relative to the root of the sources; null: the CLI looks for it. */
  configFilePath: z.string().nullable(),
  /** Values of the build variables that extensions declared; secrets. */
  buildEnvVars: z.record(z.string(), z.string()),
});
export type BuildAssignment = z.output<typeof buildAssignmentSchema>;

/** `build` is null when there was none within `waitMs`. */
export const claimAnswerSchema = z.object({ build: buildAssignmentSchema.nullable() });

const buildLogLevelSchema = z.enum(["debug", "info", "warn", "error"]);
export type BuildLogLevel = z.output<typeof buildLogLevelSchema>;
const buildLogLineSchema = z.object({ level: buildLogLevelSchema, body: z.string().max(MAX_LOG_LINE_CHARS) });
export type BuildLogLine = z.output<typeof buildLogLineSchema>;
export const buildLogRequestSchema = buildJobRefSchema.extend({ lines: z.array(buildLogLineSchema).min(1).max(MAX_LOG_LINES) });

export const heartbeatAnswerSchema = z.object({
  /** End the build at once: cancelled, ended otherwise, or given to another builder. */
  cancel: z.boolean(),
  /** Why, for people; null while it goes on. */
  reason: z.string().nullable(),
  /** The deployment has failed: its own indexer may have said so, and is about to end. */
  failed: z.boolean(),
  /** The worker of this deployment is registered. */
  registered: z.boolean(),
  /** The bundle of a source build has arrived. */
  bundled: z.boolean(),
});
export type HeartbeatAnswer = z.output<typeof heartbeatAnswerSchema>;

const digestSchema = z.string().regex(/^sha256:[0-9a-f]{64}$/, "must be sha256: and 64 hexadecimal digits");

const buildOutcomeSchema = z.discriminatedUnion("ok", [
  z.object({
    ok: z.literal(true),
    digest: digestSchema,
    bytes: z.number().int().positive(),
    milliseconds: z.record(z.string(), z.number()),
  }),
  z.object({
    ok: z.literal(false),
    /** `cancelled`: ended because it was told to. `machine` and `no_space`: not the user's doing. */
    kind: z.enum(["user", "network", "no_space", "machine", "cancelled"]),
    code: z.string().max(64),
    message: z.string().max(8_000),
    stderr: z.string().max(32_000).optional(),
  }),
]);
export type BuildOutcome = z.output<typeof buildOutcomeSchema>;
export const doneRequestSchema = buildJobRefSchema.extend({ outcome: buildOutcomeSchema });

/** Headers of an upload of a release, `PUT AGENT_PATHS.release(digest)` with the build's token. */
export const RELEASE_PLATFORM_HEADER = "x-sluice-release-platform";
export const RELEASE_NODE_ABI_HEADER = "x-sluice-release-node-abi";
