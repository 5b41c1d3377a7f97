/** The production build, skipped while its sources are unchanged. */
import { createHash } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { buildAgent, ensureAgent } from "./agentBuild.mjs";
import { fail, root, runNode, say } from "./run.mjs";

const SOURCES = [
  "app",
  "prisma/control-plane/schema.prisma",
  "server.ts",
  "remix.config.js",
  "tailwind.config.ts",
  "tsconfig.json",
  "package-lock.json",
];
/** Read from disk while the server runs: not part of the bundle. */
const NOT_BUNDLED = /\.(sql|lua|test\.tsx?)$/;
const STAMP = "build/.sources";
const LOG = ".tmp/build.log";
/** esbuild 0.17 may end with a trace of its own when its input is closed; everything is written, and said, by then. */
const END_OF_ESBUILD = /^fatal error: all goroutines are asleep - deadlock![^]*/m;

/** Builds when something changed; `force` builds in any case. */
export async function ensureBuild({ force = false } = {}) {
  const hash = hashSources();
  const stamp = path.join(root, STAMP);
  const outputs = [path.join(root, "build/server.js"), path.join(root, "public/build")];
  const current = outputs.every((file) => existsSync(file)) && existsSync(stamp) && readFileSync(stamp, "utf8") === hash;
  if (current && !force) return ensureAgent();
  say("Building ...");
  rmSync(path.join(root, "public/build"), { recursive: true, force: true });
  rmSync(path.join(root, "build"), { recursive: true, force: true });
  await buildServer();
  await buildAgent();
  writeFileSync(stamp, hash);
}

async function buildServer() {
  const env = { ...process.env, NODE_ENV: "production", VITE_CJS_IGNORE_WARNING: "1" };
  const log = path.join(root, LOG);
  mkdirSync(path.dirname(log), { recursive: true });
  const output = openSync(log, "w");
  const code = await runNode("node_modules/@remix-run/dev/dist/cli.js", ["build"], { env, stdio: ["ignore", "ignore", output] });
  closeSync(output);
  const text = readFileSync(log, "utf8");
  process.stderr.write(text.replace(END_OF_ESBUILD, "") || text);
  if (code !== 0) fail("The build failed; the message above says where.");
}

function hashSources() {
  const hash = createHash("sha256");
  for (const source of SOURCES) {
    for (const file of filesOf(path.join(root, source)))
      hash.update(path.relative(root, file)).update("\0").update(readFileSync(file)).update("\0");
  }
  return hash.digest("hex");
}

function filesOf(target) {
  if (!existsSync(target)) return [];
  const entries = readdirSyncOrNull(target);
  if (!entries) return NOT_BUNDLED.test(target) ? [] : [target];
  return entries
    .filter((entry) => !entry.name.startsWith("."))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => filesOf(path.join(target, entry.name)));
}

/** Null for a file. */
function readdirSyncOrNull(target) {
  try {
    return readdirSync(target, { withFileTypes: true });
  } catch {
    return null;
  }
}
