/** Settings of the runs domain. */
import { z } from "zod";

export const runsEnvSchema = z.object({
  /** Most queued runs in one queue of a development environment. 1,000,000 is about 140 MB of queue index. */
  MAXIMUM_DEV_QUEUE_SIZE: z.coerce.number().int().min(1).default(1_000_000),
  /** Most queued runs in one queue of every other environment. */
  MAXIMUM_DEPLOYED_QUEUE_SIZE: z.coerce.number().int().min(1).default(1_000_000),
  /** Seconds that a queued dev run lives by default; 0: for ever. 600 is what the CLI's users are used to. */
  DEV_RUN_TTL_SECONDS: z.coerce.number().int().min(0).default(600),
  /** Seconds that a signed packet URL works. An hour covers the five tries of the SDK on a slow link. */
  PACKET_URL_TTL_SECONDS: z.coerce.number().int().min(10).default(3_600),
  /** Most bytes of one packet. 10 MB is the largest output of a task; 128 MB leaves room for offloaded values. */
  PACKET_MAX_BYTES: z.coerce
    .number()
    .int()
    .min(1_024)
    .default(128 * 1024 * 1024),
});
