/** Settings of the process itself: where it listens, where its stores are, what it logs. */
import { z } from "zod";

export const platformEnvSchema = z.object({
  /** TCP port. 0 takes a free one. */
  PORT: z.coerce.number().int().min(0).max(65_535).default(3030),
  /** Address to listen on. The default is reachable from this machine only. */
  HOST: z.string().default("127.0.0.1"),
  /** Address under which browsers, SDKs and workers reach the server. Default: `http://localhost:<PORT>`. */
  PUBLIC_URL: z
    .url({ protocol: /^https?$/ })
    .transform((url) => url.replace(/\/+$/, ""))
    .optional(),
  /** Folder for everything that the server keeps on this machine: embedded stores, secrets, credentials, packets. */
  SLUICE_DATA_DIR: z.string().default(".sluice"),
  /** A Postgres of yours (15 or newer) instead of the embedded one. `ENCRYPTION_KEY` must then be given too. */
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
  /** A Redis of yours (6.2 or newer, `maxmemory-policy noeviction`) instead of the embedded one. */
  REDIS_URL: z.url({ protocol: /^rediss?$/ }).optional(),
  /**
   * Most connections with which one server process answers requests about the control plane: accounts, environments, deployments,
   * agents. They are opened when needed and closed after a minute. Runs have their own (`RUN_WRITE_CONNECTIONS`), and so does the
   * deployer.
   */
  DATABASE_POOL_SIZE: z.coerce.number().int().min(2).max(500).default(10),
  /** Whether the server starts an agent of region `local` beside itself; deployed runs are executed by agents. */
  LOCAL_AGENT: z.enum(["on", "off"]).default("on"),
  /** Least severe log line that is written: debug, info, warn or error. */
  LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info"),
  /** "production" serves the built pages; "development" reloads them under `npm run dev`. */
  NODE_ENV: z.enum(["production", "development", "test"]).default("production"),
});
