/** Settings of the control plane. */
import { z } from "zod";

export const environmentsEnvSchema = z.object({
  /** 64 hexadecimal characters (32 bytes): encrypts environment keys and variables. Made on first start with embedded stores; must be given with `DATABASE_URL`. */
  ENCRYPTION_KEY: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, "must be 64 hexadecimal characters")
    .optional(),
  /** Connection for LISTEN, when `DATABASE_URL` goes through a pooler that cannot hold one. Default: `DATABASE_URL`. */
  DIRECT_DATABASE_URL: z.string().url().optional(),
  /** E-mail of the first administrator, made on first start. */
  ADMIN_EMAIL: z.string().email().default("admin@sluice.local"),
  /** Password of the first administrator, 8 characters or more. Default: one is generated and printed once. */
  ADMIN_PASSWORD: z.string().min(8).max(256).optional(),
  /** Runs of a new environment that may execute at once. 100: what the hosted service gives a small plan. */
  DEFAULT_ENVIRONMENT_CONCURRENCY: z.coerce.number().int().min(1).max(1_000_000).default(100),
});
