/** Runs of a deployed version on the local agent: real bundle, real run controller, real server; and what happens when one of them dies. */
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isAlive, processesOf, signal } from "../../agent/replicas/proc";
import { makeProject, runCli } from "./support/devSession";
import { eventually } from "./support/processes";
import { startSluice, type Sluice } from "./support/sluice";

const TASKS = `
import { spawn } from "node:child_process";
import { task } from "@trigger.dev/sdk";

export const environment = task({ id: "environment", run: async () => ({ names: Object.keys(process.env).sort(), user: process.getuid?.() }) });
export const crash = task({
  id: "crash",
  retry: { maxAttempts: 2, minTimeoutInMs: 100, maxTimeoutInMs: 100, factor: 1, randomize: false },
  run: async (_payload: unknown, { ctx }) => {
    if (ctx.attempt.number === 1) process.exit(7);
    return { attempt: ctx.attempt.number };
  },
});
export const uncaught = task({
  id: "uncaught",
  retry: { maxAttempts: 1 },
  run: async () => {
    setTimeout(() => { throw new Error("nobody caught this"); }, 10);
    await new Promise((resolve) => setTimeout(resolve, 20_000));
  },
});
export const orphan = task({
  id: "orphan",
  retry: { maxAttempts: 2, minTimeoutInMs: 100, maxTimeoutInMs: 100, factor: 1, randomize: false },
  run: async (_payload: unknown, { ctx }) => {
    if (ctx.attempt.number > 1) return { attempt: ctx.attempt.number };
    spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { detached: true, stdio: "ignore" }).unref();
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  },
});
`;

type Run = {
  id: string;
  status: string;
  version?: string;
  output?: unknown;
  error?: { message?: string; stackTrace?: string };
  attemptCount?: number;
  isCompleted: boolean;
};
type Replica = { name: string; pid: number; startTime: string; run: { runId: string } | null; version: { version: string } };

let sluice: Sluice;
let project: ReturnType<typeof makeProject>;
let version: string;
/** Written by the users that the agent gives to environments. */
let logDir: string;

beforeAll(async () => {
  logDir = mkdtempSync(path.join(os.tmpdir(), "sluice-e2e-log-"));
  chmodSync(logDir, 0o777);
  sluice = await startSluice({ agent: true, env: { SLUICE_TEST_HOST_SECRET: "not for tasks" } });
  project = makeProject();
  writeFileSync(path.join(project.dir, "src/trigger/agent.ts"), TASKS);
  const variables = { SLUICE_E2E_LOG: path.join(logDir, "executions.log") };
  await send("POST", `/api/v1/projects/${sluice.credentials.projectRef}/envvars/prod/import`, { variables, override: true });
  version = await deploy();
});
afterAll(async () => {
  for (const { name } of replicas()) for (const pid of processesOf(name, null)) signal(pid, "SIGKILL");
  project?.remove();
  await sluice?.remove();
  rmSync(logDir, { recursive: true, force: true });
});

async function deploy(): Promise<string> {
  const cli = runCli(sluice, project.dir, ["deploy", "--skip-update-check"]);
  expect(await cli.ended, cli.output()).toBe(0);
  const { version: deployed } = (await send("GET", "/api/v1/deployments/current")) as { version: string };
  return deployed;
}

async function send(method: string, pathname: string, body?: unknown): Promise<unknown> {
  const headers = { authorization: `Bearer ${sluice.credentials.environments.prod.secretKey}`, "content-type": "application/json" };
  const answer = await fetch(sluice.origin + pathname, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${pathname}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

async function trigger(task: string, payload: unknown = {}, options: Record<string, unknown> = {}): Promise<string> {
  return ((await send("POST", `/api/v1/tasks/${task}/trigger`, { payload, options })) as { id: string }).id;
}

const get = (id: string) => send("GET", `/api/v3/runs/${id}`) as Promise<Run>;

function ended(id: string): Promise<Run> {
  return eventually(`end of ${id}`, 60_000, async () => {
    // A server that is being restarted does not answer.
    const run = await get(id).catch(() => null);
    return run?.isCompleted ? run : null;
  });
}

const run = async (task: string, payload?: unknown, options?: Record<string, unknown>) => ended(await trigger(task, payload, options));

/** As the agent keeps them on disk. */
function replicas(): Replica[] {
  const dir = path.join(sluice.agentDir, "replicas");
  const names = existsSync(dir) ? readdirSync(dir) : [];
  return names.flatMap((name) => {
    const [record, state] = ["record.json", "state.json"].map((file) => path.join(dir, name, file));
    if (!record || !state || !existsSync(record)) return [];
    return [{ ...JSON.parse(readFileSync(record, "utf8")), ...JSON.parse(readFileSync(state, "utf8")) } as Replica];
  });
}

/** The replica that executes a run, once user code was entered. */
async function replicaOf(runId: string, entered: string): Promise<Replica> {
  await eventually("user code", 30_000, () => Promise.resolve(readLog().some((line) => line.startsWith(`${entered} ${runId}`))));
  return eventually("its replica", 30_000, () => Promise.resolve(replicas().find((replica) => replica.run?.runId === runId) ?? null));
}

function readLog(): string[] {
  const file = path.join(logDir, "executions.log");
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
}

const agentPid = () => (JSON.parse(readFileSync(path.join(sluice.agentDir, "agent.pid"), "utf8")) as { pid: number }).pid;

describe("87: a real bundle", () => {
  test("runs on a parked replica, again and again in the same process", async () => {
    const [before] = replicas();
    const runs = [await run("hello", { name: "one" }), await run("hello", { name: "two" })];
    expect(runs.map(({ status }) => status)).toEqual(["COMPLETED", "COMPLETED"]);
    expect(runs[1]).toMatchObject({ version, output: { greeting: "Hello, two" } });
    expect(replicas().map(({ pid }) => pid)).toContain(before?.pid);
  });

  test("retries, fails, crashes and throws where nobody catches", async () => {
    expect(await run("flaky", { failures: 2 })).toMatchObject({ status: "COMPLETED", output: { attempts: 3 } });
    const failed = await run("failing", { message: "on purpose" });
    expect(failed).toMatchObject({ status: "FAILED" });
    // Files of the project, not folders of the agent.
    expect(failed.error?.stackTrace).toMatch(/^ +at .*\(src\/trigger\/tasks\.ts:\d+:\d+\)$/m);
    expect(failed.error?.stackTrace).not.toContain("file://");
    expect(await run("crash")).toMatchObject({ status: "COMPLETED", output: { attempt: 2 } });
    const uncaught = await run("uncaught");
    expect(uncaught.isCompleted).toBe(true);
    expect(JSON.stringify(uncaught)).toContain("nobody caught this");
  });

  test("is cancelled while it runs", async () => {
    const id = await trigger("sleeper", { ms: 60_000 });
    await eventually("the start", 30_000, async () => (await get(id)).status === "EXECUTING");
    await send("POST", `/api/v2/runs/${id}/cancel`, {});
    expect((await ended(id)).status).toBe("CANCELED");
    // Neither this one nor the next may be handed to a process that is still being cancelled.
    const after = [await run("hello", { name: "after" }), await run("hello", { name: "after" })];
    expect(after.map(({ status, error }) => ({ status, error }))).toEqual([{ status: "COMPLETED" }, { status: "COMPLETED" }]);
  });

  test("98: sees its own variables and nothing of the host", async () => {
    const { output } = (await run("environment")) as { output: { names: string[] } };
    expect(output.names).toContain("TRIGGER_SECRET_KEY");
    for (const name of ["SLUICE_TEST_HOST_SECRET", "SLUICE_DATA_DIR", "DATABASE_URL", "ENCRYPTION_KEY", "TRIGGER_RUNNER_ID"])
      expect(output.names).not.toContain(name);
  });

  test("91: two versions side by side, each run on its own", async () => {
    writeFileSync(
      path.join(project.dir, "src/trigger/extra.ts"),
      'import { task } from "@trigger.dev/sdk";\nexport const extra = task({ id: "extra", run: async () => 2 });\n'
    );
    const newer = await deploy();
    expect(newer).not.toBe(version);
    const [old, current] = await Promise.all([run("hello", { name: "old" }, { lockToVersion: version }), run("hello", { name: "new" })]);
    expect(old).toMatchObject({ status: "COMPLETED", version });
    expect(current).toMatchObject({ status: "COMPLETED", version: newer });
    version = newer;
  });
});

describe("deaths", () => {
  test("89: SIGKILL of the controller leaves no orphan within 2 s, and the run is retried", async () => {
    const id = await trigger("orphan");
    const victim = await eventually("a detached grandchild", 30_000, () => {
      const replica = replicas().find((candidate) => candidate.run?.runId === id);
      return Promise.resolve(replica && processesOf(replica.name, null).length >= 3 ? replica : null);
    });
    signal(victim.pid, "SIGKILL");
    await eventually("no orphan", 2_000, () => Promise.resolve(processesOf(victim.name, null).length === 0));
    expect(await ended(id)).toMatchObject({ status: "COMPLETED", output: { attempt: 2 } });
  });

  test("SIGKILL of the agent: the server starts another, which adopts the replica, and the run completes once", async () => {
    const id = await trigger("sleeper", { ms: 4_000 });
    const replica = await replicaOf(id, "sleeper");
    const before = agentPid();
    signal(before, "SIGKILL");
    await eventually("another agent", 30_000, () => Promise.resolve(agentPid() !== before));
    expect(isAlive(replica.pid, replica.startTime)).toBe(true);
    expect(await ended(id)).toMatchObject({ status: "COMPLETED", output: { slept: 4_000 } });
    expect(readLog().filter((line) => line === `slept ${id}`)).toHaveLength(1);
    expect(readLog().filter((line) => line.startsWith(`sleeper ${id}`))).toHaveLength(1);
  });

  test("90: a restart of the server leaves a busy replica to the next agent, and the run completes once", async () => {
    const id = await trigger("sleeper", { ms: 6_000 });
    const replica = await replicaOf(id, "sleeper");
    await sluice.stop();
    expect(isAlive(replica.pid, replica.startTime)).toBe(true);
    await sluice.start();
    expect(await ended(id)).toMatchObject({ status: "COMPLETED", output: { slept: 6_000 } });
    expect(readLog().filter((line) => line.startsWith(`sleeper ${id}`))).toHaveLength(1);
  });

  test("SIGKILL of the server: its agent goes, the next pair carries on, and the run completes once", async () => {
    const id = await trigger("sleeper", { ms: 6_000 });
    await replicaOf(id, "sleeper");
    const before = agentPid();
    await sluice.killServer();
    await eventually("the end of its agent", 20_000, () => Promise.resolve(!processExists(before)));
    await sluice.start();
    expect(await ended(id)).toMatchObject({ status: "COMPLETED", output: { slept: 6_000 } });
    expect(readLog().filter((line) => line.startsWith(`sleeper ${id}`))).toHaveLength(1);
    expect(await run("hello", { name: "after" })).toMatchObject({ status: "COMPLETED" });
  });
});

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
