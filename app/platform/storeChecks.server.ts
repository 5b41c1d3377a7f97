/** Checks of the stores: at boot (settings that would lose runs) and while serving (reachable, migrated). */
import type { Pool } from "./db.server";
import type { Logger } from "./logger";
import { pendingMigrations, type MigrationSet } from "./migrate.server";
import type { ReadinessCheck } from "./readiness.server";
import type { Redis } from "./redis.server";

/** Postgres and Redis answer, and every migration of `sets` is applied. */
export function storeChecks(stores: { pool: Pool; redis: Redis; sets: readonly MigrationSet[] }): ReadinessCheck[] {
  return [
    { name: "postgres", check: async () => void (await stores.pool.query("SELECT 1")) },
    { name: "redis", check: async () => void (await stores.redis.ping()) },
    {
      name: "migrations",
      check: async () => {
        for (const set of stores.sets) {
          const pending = await pendingMigrations(stores.pool, set);
          if (pending.length > 0) throw new Error(`${set.name}: ${pending.length} not applied, the first is ${pending[0]}.`);
        }
      },
    },
  ];
}

/**
 * An evicting Redis drops queue entries: runs then wait for the next audit instead of starting. Tries to set `noeviction`
 * and, where that is refused (managed services), warns loudly. Returns the policy in force.
 */
export async function ensureNoEviction(redis: Redis, log: Logger): Promise<string> {
  const policy = await evictionPolicy(redis);
  if (policy === "noeviction") return policy;
  try {
    await redis.config("SET", "maxmemory-policy", "noeviction");
    log.warn("redis.policy_changed", { from: policy, to: "noeviction" });
    return "noeviction";
  } catch {
    log.error("redis.evicts", {
      policy,
      consequence: "When memory is full, Redis drops queue entries, and queued runs start late.",
      fix: "Set maxmemory-policy noeviction on the Redis of REDIS_URL.",
    });
    return policy;
  }
}

async function evictionPolicy(redis: Redis): Promise<string> {
  const info = await redis.info("memory");
  return /maxmemory_policy:(\S+)/.exec(info)?.[1] ?? "unknown";
}
