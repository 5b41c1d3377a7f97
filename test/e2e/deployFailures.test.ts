/**
 * `trigger deploy` from source, and what fails: the unmodified CLI ends 1 with the reason and the link, nothing of it runs
 * on, and the current version stays.
 */
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CliDeploys } from "./support/cliDeploys";
import { makeStandaloneProject } from "./support/devSession";
import { processesBelow, rootOf } from "./support/leftovers";
import { eventually } from "./support/processes";

/** The server installs and bundles too. */
const SOURCE_TIMEOUT_MS = 400_000;

let cli: CliDeploys;
beforeAll(async () => {
  cli = await CliDeploys.start();
});
afterAll(() => cli?.stop());

/** A bundle that cannot be made: an import that leads nowhere. */
const breakSource = (dir: string) => {
  const file = path.join(dir, "src/trigger/broken.ts");
  writeFileSync(file, 'import { nowhere } from "./nowhere";\nexport const used = nowhere;\n');
  return () => rmSync(file);
};

describe("from source", { timeout: SOURCE_TIMEOUT_MS + 60_000 }, () => {
  const settings = () => `/api/v1/projects/${cli.sluice.credentials.projectRef}/prod/deploy-settings`;
  let source: ReturnType<typeof makeStandaloneProject>;
  beforeAll(async () => {
    source = makeStandaloneProject();
    expect((await cli.send("prod", "PUT", settings(), { buildPath: "native" })).status).toBe(200);
  });
  afterAll(async () => {
    source.remove();
    expect((await cli.send("prod", "PUT", settings(), { buildPath: "native_local_bundle" })).status).toBe(200);
  });

  test("23: a plain deploy uploads sources where the settings say so; they are installed, bundled, deployed", async () => {
    const { code, output } = await cli.deploy([], source.dir, SOURCE_TIMEOUT_MS);
    expect(code, output).toBe(0);
    expect(await cli.run("prod", "from source", "hello-world")).toMatchObject({
      status: "COMPLETED",
      version: (await cli.current("prod")).version,
      output: { message: "Hello, from source" },
    });
  });

  test("sources that do not build: the CLI ends 1 with the reason and the link, later phases are skipped, nothing of it runs on", async () => {
    const [before, root] = [await cli.current("prod"), rootOf(cli.sluice.agentDir)];
    const running = processesBelow(root);
    expect(running).not.toEqual([]);
    const mend = breakSource(source.dir);
    const { code, output } = await cli.deploy([], source.dir, SOURCE_TIMEOUT_MS);
    mend();
    expect(code, output).toBe(1);
    expect(output).toMatch(/failed while building: .*Could not resolve "\.\/nowhere"/s);
    const failed = await cli.newest("prod");
    expect(output).toContain(`/deployments/${failed.shortCode}`);
    expect(failed.status).toBe("FAILED");
    const { body } = await cli.send("prod", "GET", `/api/v1/deployments/${failed.id}/steps`);
    const states = (body["steps"] as { state: string }[]).map(({ state }) => state);
    expect(states).toEqual(["completed", "completed", "error", "skipped", "skipped", "skipped"]);
    await eventually("the end of its processes", 20_000, () => Promise.resolve(processesBelow(root).every((one) => running.includes(one))));
    expect((await cli.current("prod")).version).toBe(before.version);
  });
});

describe("a deployment that fails", () => {
  test("a bundle that cannot be made on the user's machine: the CLI ends 1 with the reason, and the server never hears of it", async () => {
    const before = (await cli.listed("prod")).length;
    const mend = breakSource(cli.project.dir);
    const { code, output } = await cli.deploy();
    mend();
    expect(code, output).toBe(1);
    expect(output).toContain('Could not resolve "./nowhere"');
    expect(await cli.listed("prod")).toHaveLength(before);
  });

  test("32, bad input: a task file that throws while indexing: the CLI ends 1 with the reason and the link, nothing else changes", async () => {
    const before = await cli.current("prod");
    const broken = path.join(cli.project.dir, "src/trigger/broken.ts");
    writeFileSync(broken, 'throw new Error("this file cannot be indexed");\nexport const nothing = 1;\n');
    const { code, output } = await cli.deploy();
    writeFileSync(broken, "export const nothing = 1;\n");
    expect(code, output).toBe(1);
    expect(output).toContain("this file cannot be indexed");
    expect(output).toMatch(/failed while building: .*this file cannot be indexed/s);
    expect(output).toContain(`/deployments/${(await cli.newest("prod")).shortCode}`);
    expect((await cli.newest("prod")).status).toBe("FAILED");
    expect((await cli.current("prod")).version).toBe(before.version);
  });

  test.each([
    ["bad input: duplicate task ids", 'task({ id: "hello", run: async () => 1 })', /failed while building: .*hello/s],
    [
      "bad input: a bad cron",
      'schedules.task({ id: "nightly", cron: "61 * * * *", run: async () => 1 })',
      /failed while building: .*The schedule of task "nightly" cannot be used: "61 \* \* \* \*" has a bad minute/s,
    ],
  ])("%s: the CLI ends 1 with the text, nothing else changes", async (_name, task, text) => {
    const before = await cli.current("prod");
    const file = path.join(cli.project.dir, "src/trigger/bad.ts");
    writeFileSync(
      file,
      `import { schedules, task } from "@trigger.dev/sdk";\nexport const used = [schedules, task];\nexport const bad = ${task};\n`
    );
    const { code, output } = await cli.deploy();
    writeFileSync(file, "export const nothing = 1;\n");
    expect(code, output).toBe(1);
    expect(output).toMatch(text);
    expect((await cli.newest("prod")).status).toBe("FAILED");
    expect((await cli.current("prod")).version).toBe(before.version);
  });
});
