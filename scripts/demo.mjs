/**
 * `npm run demo`: deploys examples/hello-world twice with the real CLI to the server that `npm start` runs, triggers a run
 * on each version, goes back to the first one, and prints the pages to look at.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import path from "node:path";
import { ensurePackages } from "./lib/packages.mjs";
import { root, say } from "./lib/run.mjs";

const example = path.join(root, "examples/hello-world");
const scratch = path.join(example, ".demo");
const dataDir = path.resolve(root, process.env.SLUICE_DATA_DIR ?? ".sluice");
const NOT_COPIED = new Set(["node_modules", ".demo", ".trigger"]);
const POLL_MS = 200;
const RUN_TIMEOUT_MS = 60_000;

try {
  await demo();
} catch (error) {
  process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function demo() {
  const credentials = readCredentials();
  await requireServer(credentials.apiUrl);
  await ensurePackages(example);
  rmSync(scratch, { recursive: true, force: true });
  copyExample();
  try {
    const first = await deployAndRun(credentials, "Hello");
    const second = await deployAndRun(credentials, "Good morning");
    await goBack(credentials, first, second);
    links(credentials, [first, second]);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Below the example, so that its packages are found; entry by entry, because a folder cannot be copied into itself. */
function copyExample() {
  for (const entry of readdirSync(example)) {
    if (NOT_COPIED.has(entry)) continue;
    cpSync(path.join(example, entry), path.join(scratch, entry), { recursive: true });
  }
}

function readCredentials() {
  const file = path.join(dataDir, "credentials.json");
  if (!existsSync(file)) throw new Error(`There is no ${file}. Start the server first: npm start`);
  return JSON.parse(readFileSync(file, "utf8"));
}

async function requireServer(apiUrl) {
  const answer = await fetch(`${apiUrl}/readiness`).catch(() => null);
  if (!answer?.ok) throw new Error(`No server answers at ${apiUrl}. Start it in another terminal: npm start`);
}

/** Deploys a version that greets with `greeting`, and runs its task once. */
async function deployAndRun(credentials, greeting) {
  say(`Deploying a version that says "${greeting}"`);
  writeFileSync(path.join(scratch, "src/greeting.ts"), `export const greeting = ${JSON.stringify(greeting)};\n`);
  await deploy(credentials);
  const current = await api(credentials, "GET", "/api/v1/deployments/current");
  say(`Version ${current.version} is current. Triggering hello-world`);
  await runOnce(credentials);
  return current;
}

function deploy(credentials) {
  const cli = path.join(example, "node_modules/trigger.dev/dist/esm/index.js");
  const env = {
    ...process.env,
    TRIGGER_API_URL: credentials.apiUrl,
    TRIGGER_ACCESS_TOKEN: credentials.personalAccessToken,
    SLUICE_PROJECT_REF: credentials.projectRef,
  };
  const child = spawn(process.execPath, [cli, "deploy", "--skip-update-check"], {
    cwd: scratch,
    env,
    stdio: ["ignore", "inherit", "inherit"],
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`trigger deploy ended with ${code}; its output is above.`))));
  });
}

async function runOnce(credentials) {
  const { id } = await api(credentials, "POST", "/api/v1/tasks/hello-world/trigger", { payload: { name: "Sluice" } });
  const deadline = Date.now() + RUN_TIMEOUT_MS;
  for (;;) {
    const run = await api(credentials, "GET", `/api/v3/runs/${id}`);
    if (run.isCompleted) {
      say(`${id} ${run.status} on ${run.version}: ${JSON.stringify(run.output)}`);
      if (run.status !== "COMPLETED") throw new Error(`${id} ended ${run.status}: ${JSON.stringify(run.error)}`);
      return;
    }
    if (Date.now() > deadline) throw new Error(`${id} is still ${run.status} after ${RUN_TIMEOUT_MS / 1000} s. Look at its page.`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function goBack(credentials, first, second) {
  const target = `/api/v1/deployments/${first.version}/promote`;
  say(`Going back from ${second.version} to ${first.version}. Without allowRollbacks the server refuses:`);
  const refused = await fetch(credentials.apiUrl + target, { method: "POST", headers: headers(credentials) });
  say(`  ${refused.status} ${await refused.text()}`);
  const answer = await api(credentials, "POST", `${target}?allowRollbacks=true`);
  say(`With ?allowRollbacks=true: ${JSON.stringify(answer)}. Triggering again`);
  await runOnce(credentials);
}

function links({ apiUrl, projectRef, loginUrl }, deployments) {
  say("Look at:");
  for (const { version, shortCode } of deployments) say(`  ${version}  ${apiUrl}/projects/v3/${projectRef}/deployments/${shortCode}`);
  say(`  Runs of prod   ${apiUrl}/projects/v3/${projectRef}/runs?envSlug=prod`);
  say(`  Sign in once   ${loginUrl}`);
}

async function api(credentials, method, pathname, body) {
  const answer = await fetch(credentials.apiUrl + pathname, {
    method,
    headers: headers(credentials),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${pathname} answered ${answer.status}: ${text}`);
  return JSON.parse(text);
}

function headers(credentials) {
  return {
    authorization: `Bearer ${credentials.environments.prod.secretKey}`,
    "content-type": "application/json",
    "x-trigger-api-version": "2025-07-16",
  };
}
