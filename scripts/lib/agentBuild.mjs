/** The agent's own bundle, `build/agent.js`: it runs on machines without the server. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { root, say } from "./run.mjs";

const OUTPUT = "build/agent.js";
const STAMP = "build/.agent-sources";
/** `app/platform` and `app/utils` hold what both processes use. */
const SOURCES = ["agent", "app/platform", "app/utils", "package-lock.json"];
/** Packages of CommonJS inside an ES module ask for `require`. */
const BANNER = 'import { createRequire as sluiceRequire } from "node:module"; const require = sluiceRequire(import.meta.url);';

/** Bundles the agent. */
export async function buildAgent() {
  const { build } = await import("esbuild");
  await build({
    entryPoints: [path.join(root, "agent/main.ts")],
    outfile: path.join(root, OUTPUT),
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    banner: { js: BANNER },
    logLevel: "warning",
  });
  writeFileSync(path.join(root, STAMP), hashSources());
}

/** Bundles the agent when its sources changed. */
export async function ensureAgent() {
  const stamp = path.join(root, STAMP);
  if (existsSync(path.join(root, OUTPUT)) && existsSync(stamp) && readFileSync(stamp, "utf8") === hashSources()) return;
  say("Building the agent ...");
  await buildAgent();
}

function hashSources() {
  const hash = createHash("sha256");
  for (const file of SOURCES.flatMap((source) => filesOf(path.join(root, source)))) {
    if (!/\.test\.ts$/.test(file)) hash.update(path.relative(root, file)).update("\0").update(readFileSync(file)).update("\0");
  }
  return hash.digest("hex");
}

function filesOf(target) {
  if (!target.endsWith(".json") && existsSync(target))
    return readdirSync(target, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
      .sort();
  return existsSync(target) ? [target] : [];
}
