/** What a new user does on the first day: trigger, watch it fail and retry, cancel, and live through a crash of the server. */
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DevSession, startDevSession } from "./support/devSession";
import { processesBelow } from "./support/leftovers";
import { eventually, repoRoot, spawnGroup } from "./support/processes";
import { type Sluice, startSluice } from "./support/sluice";

let sluice: Sluice;
let dev: DevSession;

beforeAll(async () => {
  sluice = await startSluice();
  dev = await startDevSession(sluice);
});
afterAll(async () => {
  await dev?.stop();
  await sluice?.remove();
});

type Run = { id: string; status: string; isCompleted: boolean; output?: unknown; attemptCount: number };

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await fetch(sluice.origin + path, {
    method,
    headers: {
      authorization: `Bearer ${sluice.credentials.environments.dev.secretKey}`,
      "content-type": "application/json",
      "x-trigger-api-version": "2025-07-16",
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return JSON.parse(text) as T;
}
const trigger = (task: string, payload: unknown) => call<{ id: string }>("POST", `/api/v1/tasks/${task}/trigger`, { payload });
const retrieve = (id: string) => call<Run>("GET", `/api/v3/runs/${id}`);
const settled = (id: string, timeoutMs = 60_000) =>
  eventually(`end of ${id}`, timeoutMs, async () => {
    const run = await retrieve(id);
    return run.isCompleted ? run : null;
  });

test("a triggered task completes and its output comes back", async () => {
  const { id } = await trigger("hello", { name: "World" });
  expect(await settled(id)).toMatchObject({ status: "COMPLETED", output: { greeting: "Hello, World" } });
});

test("a failing task is retried and ends FAILED", async () => {
  const { id } = await trigger("failing", { message: "no" });
  expect(await settled(id)).toMatchObject({ status: "FAILED", attemptCount: 3 });
  expect(dev.log().filter((line) => line.startsWith(`failing ${id} `))).toHaveLength(3);
});

test("cancel of a running task reaches its onCancel in under a second", async () => {
  const { id } = await trigger("sleeper", { ms: 60_000 });
  await eventually("user code runs", 30_000, async () => dev.log().some((line) => line.startsWith(`sleeper ${id} `)));
  const cancelledAt = Date.now();
  await call("POST", `/api/v2/runs/${id}/cancel`);
  const line = await eventually("onCancel", 10_000, async () => dev.log().find((entry) => entry.startsWith(`cancelled ${id} `)));
  expect(Number(line.split(" ")[2]) - cancelledAt).toBeLessThan(1_000);
  expect(await settled(id)).toMatchObject({ status: "CANCELED" });
});

test("a 5 s task survives kill -9 and restart of the server in its middle", async () => {
  const { id } = await trigger("sleeper", { ms: 5_000 });
  await eventually("user code runs", 30_000, async () => dev.log().some((line) => line.startsWith(`sleeper ${id} `)));
  await sluice.killServer();
  await sluice.start();
  expect(await settled(id)).toMatchObject({ status: "COMPLETED", output: { slept: 5_000 }, attemptCount: 1 });
  expect(dev.log().filter((line) => line === `slept ${id}`)).toHaveLength(1);
});

test("a server that is told to stop while it starts leaves no store running", async () => {
  const dataDir = mkdtempSync(path.join(os.tmpdir(), "sluice-e2e-"));
  const server = spawnGroup(process.execPath, [path.join(repoRoot, "build/server.js")], {
    cwd: repoRoot,
    env: { PATH: process.env.PATH, HOME: os.homedir(), PORT: "0", SLUICE_DATA_DIR: dataDir, LOCAL_AGENT: "off" },
  });
  await server.waitFor(/"store":"redis"/, 60_000);
  expect(processesBelow(dataDir)).not.toEqual([]);
  process.kill(server.pid, "SIGTERM");
  expect(await server.ended, server.output()).toBe(0);
  expect(processesBelow(dataDir)).toEqual([]);
  rmSync(dataDir, { recursive: true, force: true });
});
