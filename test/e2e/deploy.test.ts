/**
 * `trigger deploy` with the unmodified CLI and nothing else: no Docker, no `trigger dev`. The code is uploaded, built,
 * indexed, started, made current, and a triggered run completes on it.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CliDeploys, type Deployment } from "./support/cliDeploys";
import { eventually } from "./support/processes";

const DEPLOY_TIMEOUT_MS = 150_000;

let cli: CliDeploys;
beforeAll(async () => {
  cli = await CliDeploys.start();
});
afterAll(() => cli?.stop());

describe("a good deployment", () => {
  test("22: a plain deploy ends 0, is current, and runs execute on it with no trigger dev", async () => {
    const { code, output } = await cli.deploy();
    expect(code, output).toBe(0);
    const deployment = await cli.current("prod");
    expect(deployment.status).toBe("DEPLOYED");
    expect(await cli.listed("prod")).toMatchObject([{ id: deployment.id, status: "DEPLOYED" }]);
    // The workflow starts with the row, not when a sweep finds it half a minute later.
    const { body } = await cli.send("prod", "GET", `/api/v1/deployments/${deployment.id}/steps`);
    const queued = (body["steps"] as { step: string; durationMs: number }[]).find((step) => step.step === "queued");
    expect(queued?.durationMs).toBeLessThan(20_000);
    expect(await cli.run("prod", "first")).toMatchObject({
      status: "COMPLETED",
      version: deployment.version,
      output: { greeting: "Hello, first" },
    });
  });

  test("25: --skip-promotion leaves the current version, and promote makes it current", async () => {
    const before = await cli.current("prod");
    writeFileSync(
      path.join(cli.project.dir, "src/trigger/second.ts"),
      'import { task } from "@trigger.dev/sdk";\nexport const second = task({ id: "second", run: async () => 2 });\n'
    );
    const { code, output } = await cli.deploy(["--skip-promotion"]);
    expect(code, output).toBe(0);
    expect((await cli.current("prod")).version).toBe(before.version);
    const target = await cli.newest("prod");
    expect(target.version).not.toBe(before.version);
    const promote = cli.cli(["promote", target.version]);
    expect(await promote.ended, promote.output()).toBe(0);
    expect((await cli.current("prod")).version).toBe(target.version);
    expect(await cli.run("prod", "promoted")).toMatchObject({ status: "COMPLETED", version: target.version });
  });

  test("34, 35: a CLI that is killed while it waits changes nothing; the same --external-id again builds nothing", async () => {
    const before = (await cli.listed("prod")).length;
    const args = ["--external-id", "commit-1"];
    const killed = cli.cli(["deploy", ...args]);
    await eventually("the deployment", DEPLOY_TIMEOUT_MS, async () => (await cli.listed("prod")).length > before);
    await killed.kill();
    const { version } = await cli.newest("prod");
    await eventually("its end", DEPLOY_TIMEOUT_MS, async () => (await cli.newest("prod")).status === "DEPLOYED");
    expect((await cli.current("prod")).version).toBe(version);
    const again = await cli.deploy(args);
    expect(again.code, again.output).toBe(0);
    expect(again.output).toContain("was already deployed");
    expect(await cli.listed("prod")).toHaveLength(before + 1);
  });

  test("27: a preview branch deploys to an environment of its own, until it is archived", async () => {
    const before = await cli.current("prod");
    const { code, output } = await cli.deploy(["--env", "preview", "--branch", "feat/x"]);
    expect(code, output).toBe(0);
    const branch = { key: await cli.previewKey(), branch: "feat/x" };
    const deployed = (await cli.send(branch, "GET", "/api/v1/deployments/current")).body;
    expect(deployed).toMatchObject({ status: "DEPLOYED" });
    const run = await cli.run(branch, "preview");
    expect(run).toMatchObject({ status: "COMPLETED", version: deployed["version"], output: { greeting: "Hello, preview" } });
    expect((await cli.current("prod")).version).toBe(before.version);
    const archive = cli.cli(["preview", "archive", "--branch", "feat/x"]);
    expect(await archive.ended, archive.output()).toBe(0);
    await eventually("a refusal", 30_000, async () => {
      const { status } = await cli.send(branch, "POST", "/api/v1/tasks/hello/trigger", { payload: {} });
      return status === 404;
    });
  });

  test("26: --env staging deploys there and leaves prod alone", async () => {
    const before = await cli.current("prod");
    const { code, output } = await cli.deploy(["--env", "staging"]);
    expect(code, output).toBe(0);
    expect(await cli.run("staging", "staging")).toMatchObject({ status: "COMPLETED", version: (await cli.current("staging")).version });
    expect((await cli.current("prod")).version).toBe(before.version);
  });

  test("42: the CLI's promote prints why an unknown version is refused", async () => {
    const promote = cli.cli(["promote", "20200101.1"]);
    expect(await promote.ended, promote.output()).toBe(1);
    expect(promote.output()).toContain("Deployment not found");
  });

  test("43: promote of an older version is refused, allowed with allowRollbacks=true, and anything else is a 400 that names it", async () => {
    const { body } = await cli.send("prod", "GET", "/api/v1/deployments?page%5Bsize%5D=20");
    const deployed = (body as { data: Deployment[] }).data.filter((row) => row.status === "DEPLOYED");
    const older = deployed.at(-1) as Deployment;
    const newer = deployed[0] as Deployment;
    expect((await cli.current("prod")).version).toBe(newer.version);
    const target = `/api/v1/deployments/${older.version}/promote`;
    expect(await cli.send("prod", "POST", target)).toMatchObject({
      status: 400,
      body: { error: "Cannot promote a deployment that is older than the current deployment." },
    });
    const garbage = await cli.send("prod", "POST", `${target}?allowRollbacks=yes`);
    expect(garbage.status).toBe(400);
    expect(garbage.body["error"]).toContain("allowRollbacks");
    expect(await cli.send("prod", "POST", `${target}?allowRollbacks=true`)).toMatchObject({
      status: 200,
      body: { id: older.id, version: older.version, shortCode: older.shortCode },
    });
    expect(await cli.run("prod", "went back")).toMatchObject({ version: older.version });
    const rollback = await cli.send("prod", "POST", `/api/v1/deployments/${newer.version}/rollback?allowRollbacks=true`);
    expect(rollback).toMatchObject({
      status: 400,
      body: { error: "Cannot rollback to a deployment that is newer than the current deployment." },
    });
    expect((await cli.send("prod", "PUT", target)).status).toBe(405);
    expect((await cli.send("prod", "POST", `/api/v1/deployments/${newer.version}/promote`)).status).toBe(200);
  });
});
