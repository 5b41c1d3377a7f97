/** Redis connections. A lost connection is retried for ever; callers see commands fail or wait, never the process end. */
import { Redis } from "ioredis";
import type { Logger } from "./logger";

export type { Redis } from "ioredis";

export type RedisOptions = {
  url: string;
  /** Shows in CLIENT LIST. */
  name: string;
  /** Put in front of every key by callers that share a server (tests). */
  keyPrefix?: string;
  log: Logger;
};

const MAX_RECONNECT_DELAY_MS = 2_000;

/** A connection that pipelines what one tick issues. */
export function createRedis(options: RedisOptions): Redis {
  const redis = new Redis(options.url, {
    connectionName: options.name,
    enableAutoPipelining: true,
    maxRetriesPerRequest: 2,
    retryStrategy: (times) => Math.min(times * 50, MAX_RECONNECT_DELAY_MS),
    ...(options.keyPrefix ? { keyPrefix: options.keyPrefix } : {}),
  });
  redis.on("error", (error: Error) => options.log.warn("redis.connection_error", { name: options.name, message: error.message }));
  return redis;
}
