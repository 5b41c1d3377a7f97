/** The body of `POST /api/v1/deployments`, as the CLI and builders send it. */
import { z } from "zod";

/** Null and blank mean none, as the CLI's own schema has it. */
const externalId = z.preprocess(
  (value) => (typeof value === "string" ? value.trim() || undefined : (value ?? undefined)),
  z.string().max(128, "externalId must be at most 128 characters").optional()
);

const short = z.string().max(1_000);
const gitMeta = z.object({
  provider: short.optional(),
  source: short.optional(),
  ghUsername: short.optional(),
  ghUserAvatarUrl: short.optional(),
  commitAuthorName: short.optional(),
  commitMessage: z.string().max(10_000).optional(),
  commitRef: short.optional(),
  commitSha: short.optional(),
  dirty: z.boolean().optional(),
  remoteUrl: short.optional(),
  pullRequestNumber: z.number().optional(),
  pullRequestTitle: short.optional(),
  pullRequestState: z.enum(["open", "closed", "merged"]).optional(),
});

/** Fields that nobody here reads (`initialStatus`, `isLocalBuild`, `buildId` and such) are dropped. */
export const createDeploymentBody = z
  .object({
    contentHash: z.string().min(1).max(256),
    userId: z.string().max(64).optional(),
    gitMeta: gitMeta.optional(),
    type: z.enum(["MANAGED", "UNMANAGED", "V1"]).optional(),
    runtime: z.string().max(64).optional(),
    isNativeBuild: z.boolean().default(false),
    artifactKey: z.string().max(300).optional(),
    skipPromotion: z.boolean().default(false),
    configFilePath: z.string().max(4_096).optional(),
    triggeredVia: z.string().max(64).optional(),
    externalId,
    force: z.boolean().default(false),
    fromBundle: z.boolean().default(false),
    buildEnvVars: z.record(z.string().max(256), z.string().max(65_536)).optional(),
  })
  .superRefine((body, context) => {
    if (body.force && body.externalId === undefined) {
      context.addIssue({ code: "custom", path: ["force"], message: "force requires externalId" });
    }
  });
export type CreateDeploymentBody = z.output<typeof createDeploymentBody>;
