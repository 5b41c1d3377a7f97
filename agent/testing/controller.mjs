// Speaks the run controller's side of the protocol in a hundred lines: tests of the agent start in milliseconds with it.
// What a run does is in its payload: {sleepMs, orphan, hang, die, failWith, throwAt, echoEnv, lingerMs}. `TEST_BOOT` in config.json: "crash" or "mute".
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

const env = process.env;
const config = JSON.parse(readFileSync("./config.json", "utf8"));
JSON.parse(readFileSync("./index.json", "utf8"));
if (config.boot === "crash") {
  console.error("boot failed on purpose");
  process.exit(1);
}
const base = `${env.TRIGGER_SUPERVISOR_API_PROTOCOL}://${env.TRIGGER_SUPERVISOR_API_DOMAIN}:${env.TRIGGER_SUPERVISOR_API_PORT}`;
const headers = { "x-trigger-workload-runner-id": env.TRIGGER_RUNNER_ID, "content-type": "application/json" };
const poll = {
  "x-trigger-workload-controller-id": env.TRIGGER_WORKLOAD_CONTROLLER_ID,
  "x-trigger-deployment-id": env.TRIGGER_DEPLOYMENT_ID,
  "x-trigger-deployment-version": env.TRIGGER_DEPLOYMENT_VERSION,
};
let stopping = false;
const aborter = new AbortController();
process.on("SIGTERM", () => {
  stopping = true;
  aborter.abort();
});
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function call(path, body, tries = 5) {
  for (let i = 1; ; i++) {
    try {
      const response = await fetch(`${base}/api/v1/workload-actions${path}`, {
        method: body ? "POST" : "GET",
        headers,
        body: body && JSON.stringify(body),
      });
      if (response.ok) return await response.json();
      if (response.headers.get("x-should-retry") === "false" || i >= tries) return null;
    } catch {
      if (i >= tries) return null;
    }
    await sleep(100 * i);
  }
}

async function perform(payload, envVars) {
  if (payload.orphan)
    spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { env: envVars, detached: true, stdio: "ignore" }).unref();
  if (payload.die) process.kill(process.pid, "SIGKILL");
  await sleep(payload.sleepMs ?? 0);
  if (payload.echoEnv) return { ok: true, output: JSON.stringify({ controller: { ...process.env }, task: envVars }) };
  if (payload.throwAt)
    return {
      ok: false,
      error: {
        type: "BUILT_IN_ERROR",
        name: "Error",
        message: `at ${process.cwd()}`,
        stackTrace: `Error: no\n    at run (file://${process.cwd()}/${payload.throwAt})`,
      },
    };
  if (payload.failWith)
    return { ok: false, error: { type: "STRING_ERROR", raw: payload.failWith }, retry: { timestamp: Date.now() + 10, delay: 10 } };
  return { ok: true, output: "done" };
}

async function execute(runId, snapshotId) {
  for (let at = snapshotId; ; ) {
    const started = await call(`/runs/${runId}/snapshots/${at}/attempts/start`, { isWarmStart: true });
    if (!started) return;
    const payload = JSON.parse(started.execution.run.payload).json;
    const completion = { id: runId, ...(await perform(payload, started.envVars)) };
    const ended = await call(`/runs/${runId}/snapshots/${started.snapshot.friendlyId}/attempts/complete`, { completion });
    if (ended?.result.attemptStatus !== "RETRY_IMMEDIATELY") return sleep(payload.lingerMs ?? 0);
    at = ended.result.snapshot.friendlyId;
  }
}

async function next() {
  for (;;) {
    if (stopping) process.exit(0);
    const response = await fetch(`${base}/warm-start`, { headers: poll, signal: aborter.signal }).catch(() => null);
    if (stopping || (response && !response.ok)) process.exit(0);
    if (response) return response.json();
    await sleep(50);
  }
}

if (config.boot === "mute") await sleep(1e9);
if (env.TRIGGER_RUN_ID) await execute(env.TRIGGER_RUN_ID, env.TRIGGER_SNAPSHOT_ID);
for (let handed = 0; ; handed++) {
  const message = await next();
  if (config.boot === "deaf" && handed === 0) await sleep(1e9);
  await execute(message.run.friendlyId, message.snapshot.friendlyId);
}
