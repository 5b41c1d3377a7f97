/**
 * Reads `.sql` and `.lua` files once and keeps them. Paths are relative to `app/`. The classic Remix compiler cannot
 * bundle Lua, so files are read from disk; a missing file throws when its module loads, which stops the boot.
 */
import { readFileSync } from "node:fs";
import path from "node:path";

const cache = new Map<string, string>();

/** Text of `app/<relativePath>`, for example `loadScript("runops/sql/trigger.sql")`. */
export function loadScript(relativePath: string): string {
  const cached = cache.get(relativePath);
  if (cached !== undefined) return cached;
  const text = readFileSync(path.join(process.cwd(), "app", relativePath), "utf8");
  cache.set(relativePath, text);
  return text;
}
