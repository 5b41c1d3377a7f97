/** Settings of deployments, read by `app/env.server.ts`. */
import { z } from "zod";

export const deploymentsEnvSchema = z.object({
  /**
   * Milliseconds that one answer to `trigger deploy` is held while the deployment is under way; the CLI then asks again.
   * Default 240,000: the CLI's own patience is 300 s. Behind a proxy that gives up sooner, less than its timeout.
   */
  HOLD_SEGMENT_MS: z.coerce.number().int().min(100).max(290_000).default(240_000),
  /**
   * Milliseconds after which another server goes on with the deployments of one that died without a word. Default 15,000.
   * The time is renewed three times in it: too short for a busy machine, and deployments change hands for no reason.
   */
  DEPLOYER_LEASE_MS: z.coerce.number().int().min(1_000).max(120_000).default(15_000),
  /**
   * Where built releases are kept. Not set: below SLUICE_DATA_DIR. `file:///path`: a folder that several servers may share.
   * `s3://<key>:<secret>@<bucket>/<prefix>?endpoint=https://...&region=...`: a bucket of S3 or of a store that speaks its protocol.
   */
  RELEASE_STORE_URL: z.string().min(1).optional(),
});
