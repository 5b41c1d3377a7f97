/** The Lua scripts of the index, loaded at boot, each with one caller. */
import { createHash } from "node:crypto";
import { errorMessage } from "../../platform/logger";
import type { Redis } from "../../platform/redis.server";
import { loadScript } from "../../platform/scripts.server";

export type IndexScript = { name: string; text: string; sha: string };

/** Scripts need the shared functions in front of them: Redis knows no modules. */
function define(name: string, libraries: readonly string[]): IndexScript {
  const text = [...libraries, name].map((file) => loadScript(`engine/queueIndex/lua/${file}.lua`)).join("\n");
  return { name, text, sha: createHash("sha1").update(text).digest("hex") };
}

const LANES = ["lanes-0"];
const SLOTS = ["lanes-0", "slots-0"];

/** Every script of the index, by what it does. */
export const indexScripts = {
  enqueue: define("enqueue-1", LANES),
  take: define("take-1", LANES),
  confirm: define("confirm-1", SLOTS),
  release: define("release-1", SLOTS),
  remove: define("remove-1", SLOTS),
  limits: define("limits-1", LANES),
  load: define("load-1", SLOTS),
  beat: define("beat-1", []),
  forget: define("forget-1", []),
  counts: define("counts-1", LANES),
} as const;

/** The reply of a script whose epoch is stale. */
export const STALE = -1;

/** Runs a script with its one key, by hash, and by text the first time a server sees it. */
export async function runScript(redis: Redis, script: IndexScript, key: string, args: readonly (string | number)[]): Promise<unknown> {
  try {
    return await redis.evalsha(script.sha, 1, key, ...args);
  } catch (error) {
    if (!errorMessage(error).startsWith("NOSCRIPT")) throw error;
    return redis.eval(script.text, 1, key, ...args);
  }
}
