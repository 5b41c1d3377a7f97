/**
 * `trigger deploy` with the unmodified CLI and nothing else: no Docker, no `trigger dev`. The code is uploaded, built,
 * indexed, started, made current; a triggered run completes on it; a broken one changes nothing.
 */
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeProject, makeStandaloneProject, runCli } from "./support/devSession";
import { processesBelow, rootOf } from "./support/leftovers";
import { eventually } from "./support/processes";
import { type Credentials, type Sluice, startSluice } from "./support/sluice";

type Slug = keyof Credentials["environments"];
type Deployment = { id: string; version: string; shortCode: string; status: string };

const DEPLOY_TIMEOUT_MS = 150_000;
/** The server installs and bundles too. */
const SOURCE_TIMEOUT_MS = 400_000;
const FLAGS = ["--skip-update-check"];

let sluice: Sluice;
let project: ReturnType<typeof makeProject>;

beforeAll(async () => {
  sluice = await startSluice({ agent: true });
  project = makeProject();
});
afterAll(async () => {
  project?.remove();
  await sluice?.remove();
});

async function deploy(
  args: string[] = [],
  dir = project.dir,
  timeoutMs = DEPLOY_TIMEOUT_MS
): Promise<{ code: number | null; output: string }> {
  const cli = runCli(sluice, dir, ["deploy", ...FLAGS, ...args]);
  const timer = setTimeout(() => void cli.kill(), timeoutMs);
  const code = await cli.ended;
  clearTimeout(timer);
  return { code, output: cli.output() };
}

async function send(
  slug: Slug,
  method: string,
  pathname: string,
  body?: unknown
): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await fetch(sluice.origin + pathname, {
    method,
    headers: {
      authorization: `Bearer ${sluice.credentials.environments[slug].secretKey}`,
      "content-type": "application/json",
      "x-trigger-api-version": "2025-07-16",
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

async function current(slug: Slug): Promise<Deployment> {
  const { status, body } = await send(slug, "GET", "/api/v1/deployments/current");
  expect(status).toBe(200);
  return body as Deployment;
}

async function listed(slug: Slug): Promise<Deployment[]> {
  const { body } = await send(slug, "GET", "/api/v1/deployments?page%5Bsize%5D=20");
  return (body as { data: Deployment[] }).data;
}

async function newest(slug: Slug): Promise<Deployment> {
  return (await listed(slug))[0] as Deployment;
}

async function runHello(slug: Slug, name: string, task = "hello"): Promise<Record<string, unknown>> {
  const { status, body } = await send(slug, "POST", `/api/v1/tasks/${task}/trigger`, { payload: { name } });
  expect(status).toBe(200);
  return eventually(`end of ${String(body["id"])}`, 60_000, async () => {
    const run = (await send(slug, "GET", `/api/v3/runs/${String(body["id"])}`)).body;
    return run["isCompleted"] ? run : null;
  });
}

/** As the CLI asks for it. */
async function previewKey(): Promise<string> {
  const answer = await fetch(`${sluice.origin}/api/v1/projects/${sluice.credentials.projectRef}/preview`, {
    headers: { authorization: `Bearer ${sluice.credentials.personalAccessToken}` },
  });
  return String(((await answer.json()) as { apiKey: string }).apiKey);
}

describe("a good deployment", () => {
  test("22: a plain deploy ends 0, is current, and runs execute on it with no trigger dev", async () => {
    const { code, output } = await deploy();
    expect(code, output).toBe(0);
    const deployment = await current("prod");
    expect(deployment.status).toBe("DEPLOYED");
    expect(await listed("prod")).toMatchObject([{ id: deployment.id, status: "DEPLOYED" }]);
    // The workflow starts with the row, not when a sweep finds it half a minute later.
    const { body } = await send("prod", "GET", `/api/v1/deployments/${deployment.id}/steps`);
    const queued = (body["steps"] as { step: string; durationMs: number }[]).find((step) => step.step === "queued");
    expect(queued?.durationMs).toBeLessThan(20_000);
    expect(await runHello("prod", "first")).toMatchObject({
      status: "COMPLETED",
      version: deployment.version,
      output: { greeting: "Hello, first" },
    });
  });

  test("25: --skip-promotion leaves the current version, and promote makes it current", async () => {
    const before = await current("prod");
    writeFileSync(
      path.join(project.dir, "src/trigger/second.ts"),
      'import { task } from "@trigger.dev/sdk";\nexport const second = task({ id: "second", run: async () => 2 });\n'
    );
    const { code, output } = await deploy(["--skip-promotion"]);
    expect(code, output).toBe(0);
    expect((await current("prod")).version).toBe(before.version);
    const target = await newest("prod");
    expect(target.version).not.toBe(before.version);
    const cli = runCli(sluice, project.dir, ["promote", target.version, ...FLAGS]);
    expect(await cli.ended, cli.output()).toBe(0);
    expect((await current("prod")).version).toBe(target.version);
    expect(await runHello("prod", "promoted")).toMatchObject({ status: "COMPLETED", version: target.version });
  });

  test("34, 35: a CLI that is killed while it waits changes nothing; the same --external-id again builds nothing", async () => {
    const before = (await listed("prod")).length;
    const args = ["--external-id", "commit-1"];
    const cli = runCli(sluice, project.dir, ["deploy", ...FLAGS, ...args]);
    await eventually("the deployment", DEPLOY_TIMEOUT_MS, async () => (await listed("prod")).length > before);
    await cli.kill();
    const { version } = await newest("prod");
    await eventually("its end", DEPLOY_TIMEOUT_MS, async () => (await newest("prod")).status === "DEPLOYED");
    expect((await current("prod")).version).toBe(version);
    const again = await deploy(args);
    expect(again.code, again.output).toBe(0);
    expect(again.output).toContain("was already deployed");
    expect(await listed("prod")).toHaveLength(before + 1);
  });

  test("27: a preview branch deploys to an environment of its own, until it is archived", async () => {
    const before = await current("prod");
    const { code, output } = await deploy(["--env", "preview", "--branch", "feat/x"]);
    expect(code, output).toBe(0);
    const key = await previewKey();
    const call = async (method: string, pathname: string, body?: unknown) => {
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", "x-trigger-branch": "feat/x" };
      const answer = await fetch(sluice.origin + pathname, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    };
    const deployed = (await call("GET", "/api/v1/deployments/current")).body;
    expect(deployed).toMatchObject({ status: "DEPLOYED" });
    const { body } = await call("POST", "/api/v1/tasks/hello/trigger", { payload: { name: "preview" } });
    const run = await eventually("the run", 60_000, async () => {
      const read = (await call("GET", `/api/v3/runs/${String(body["id"])}`)).body;
      return read["isCompleted"] ? read : null;
    });
    expect(run).toMatchObject({ status: "COMPLETED", version: deployed["version"], output: { greeting: "Hello, preview" } });
    expect((await current("prod")).version).toBe(before.version);
    const archive = runCli(sluice, project.dir, ["preview", "archive", "--branch", "feat/x", ...FLAGS]);
    expect(await archive.ended, archive.output()).toBe(0);
    await eventually("a refusal", 30_000, async () => (await call("POST", "/api/v1/tasks/hello/trigger", { payload: {} })).status === 404);
  });

  test("26: --env staging deploys there and leaves prod alone", async () => {
    const before = await current("prod");
    const { code, output } = await deploy(["--env", "staging"]);
    expect(code, output).toBe(0);
    expect(await runHello("staging", "staging")).toMatchObject({ status: "COMPLETED", version: (await current("staging")).version });
    expect((await current("prod")).version).toBe(before.version);
  });

  test("42: the CLI's promote prints why an unknown version is refused", async () => {
    const cli = runCli(sluice, project.dir, ["promote", "20200101.1", ...FLAGS]);
    expect(await cli.ended, cli.output()).toBe(1);
    expect(cli.output()).toContain("Deployment not found");
  });

  test("43: promote of an older version is refused, allowed with allowRollbacks=true, and anything else is a 400 that names it", async () => {
    const { body } = await send("prod", "GET", "/api/v1/deployments?page%5Bsize%5D=20");
    const deployed = (body as { data: Deployment[] }).data.filter((row) => row.status === "DEPLOYED");
    const older = deployed.at(-1) as Deployment;
    const newer = deployed[0] as Deployment;
    expect((await current("prod")).version).toBe(newer.version);
    const target = `/api/v1/deployments/${older.version}/promote`;
    expect(await send("prod", "POST", target)).toMatchObject({
      status: 400,
      body: { error: "Cannot promote a deployment that is older than the current deployment." },
    });
    const garbage = await send("prod", "POST", `${target}?allowRollbacks=yes`);
    expect(garbage.status).toBe(400);
    expect(garbage.body["error"]).toContain("allowRollbacks");
    expect(await send("prod", "POST", `${target}?allowRollbacks=true`)).toMatchObject({
      status: 200,
      body: { id: older.id, version: older.version, shortCode: older.shortCode },
    });
    expect(await runHello("prod", "went back")).toMatchObject({ version: older.version });
    const rollback = await send("prod", "POST", `/api/v1/deployments/${newer.version}/rollback?allowRollbacks=true`);
    expect(rollback).toMatchObject({
      status: 400,
      body: { error: "Cannot rollback to a deployment that is newer than the current deployment." },
    });
    expect((await send("prod", "PUT", target)).status).toBe(405);
    expect((await send("prod", "POST", `/api/v1/deployments/${newer.version}/promote`)).status).toBe(200);
  });
});

describe("a deployment that fails", () => {
  test("32, bad input: a task file that throws while indexing: the CLI ends 1 with the reason and the link, nothing else changes", async () => {
    const before = await current("prod");
    const broken = path.join(project.dir, "src/trigger/broken.ts");
    writeFileSync(broken, 'throw new Error("this file cannot be indexed");\nexport const nothing = 1;\n');
    const { code, output } = await deploy();
    writeFileSync(broken, "export const nothing = 1;\n");
    expect(code, output).toBe(1);
    expect(output).toContain("this file cannot be indexed");
    expect(output).toMatch(/failed while building: .*this file cannot be indexed/s);
    expect(output).toContain(`/deployments/${(await newest("prod")).shortCode}`);
    expect((await newest("prod")).status).toBe("FAILED");
    expect((await current("prod")).version).toBe(before.version);
  });

  test.each([
    ["bad input: duplicate task ids", 'task({ id: "hello", run: async () => 1 })', /failed while building: .*hello/s],
    [
      "bad input: a bad cron",
      'schedules.task({ id: "nightly", cron: "61 * * * *", run: async () => 1 })',
      /failed while building: .*The schedule of task "nightly" cannot be used: "61 \* \* \* \*" has a bad minute/s,
    ],
  ])("%s: the CLI ends 1 with the text, nothing else changes", async (_name, task, text) => {
    const before = await current("prod");
    const file = path.join(project.dir, "src/trigger/bad.ts");
    writeFileSync(
      file,
      `import { schedules, task } from "@trigger.dev/sdk";\nexport const used = [schedules, task];\nexport const bad = ${task};\n`
    );
    const { code, output } = await deploy();
    writeFileSync(file, "export const nothing = 1;\n");
    expect(code, output).toBe(1);
    expect(output).toMatch(text);
    expect((await newest("prod")).status).toBe("FAILED");
    expect((await current("prod")).version).toBe(before.version);
  });
});

describe("from source", () => {
  /** A bundle that cannot be made: an import that leads nowhere. */
  const breakSource = (dir: string) => {
    const file = path.join(dir, "src/trigger/broken.ts");
    writeFileSync(file, 'import { nowhere } from "./nowhere";\nexport const used = nowhere;\n');
    return () => rmSync(file);
  };

  test("a bundle that cannot be made on the user's machine: the CLI ends 1 with the reason, and the server never hears of it", async () => {
    const before = (await listed("prod")).length;
    const mend = breakSource(project.dir);
    const { code, output } = await deploy();
    mend();
    expect(code, output).toBe(1);
    expect(output).toContain('Could not resolve "./nowhere"');
    expect(await listed("prod")).toHaveLength(before);
  });

  /** The CLI ends 1 with the reason and the link, the later phases are skipped, nothing of it runs on, the current version stays. */
  async function expectFailingBuild(dir: string): Promise<void> {
    const [before, root] = [await current("prod"), rootOf(sluice.agentDir)];
    const running = processesBelow(root);
    expect(running).not.toEqual([]);
    const mend = breakSource(dir);
    const { code, output } = await deploy([], dir, SOURCE_TIMEOUT_MS);
    mend();
    expect(code, output).toBe(1);
    expect(output).toMatch(/failed while building: .*Could not resolve "\.\/nowhere"/s);
    const failed = await newest("prod");
    expect(output).toContain(`/deployments/${failed.shortCode}`);
    expect(failed.status).toBe("FAILED");
    const { body } = await send("prod", "GET", `/api/v1/deployments/${failed.id}/steps`);
    const states = (body["steps"] as { state: string }[]).map(({ state }) => state);
    expect(states).toEqual(["completed", "completed", "error", "skipped", "skipped", "skipped"]);
    await eventually("the end of its processes", 20_000, () => Promise.resolve(processesBelow(root).every((one) => running.includes(one))));
    expect((await current("prod")).version).toBe(before.version);
  }

  test(
    "23: a plain deploy uploads sources where the settings say so; those that do not build change nothing, others are installed, bundled, deployed",
    { timeout: SOURCE_TIMEOUT_MS + 60_000 },
    async () => {
      const settings = `/api/v1/projects/${sluice.credentials.projectRef}/prod/deploy-settings`;
      expect((await send("prod", "PUT", settings, { buildPath: "native" })).status).toBe(200);
      const source = makeStandaloneProject();
      await expectFailingBuild(source.dir);
      const { code, output } = await deploy([], source.dir, SOURCE_TIMEOUT_MS);
      source.remove();
      expect(code, output).toBe(0);
      const run = await runHello("prod", "from source", "hello-world");
      expect(run).toMatchObject({
        status: "COMPLETED",
        version: (await current("prod")).version,
        output: { message: "Hello, from source" },
      });
    }
  );
});
