/** Builds of uploaded sources with the project's own CLI, and builds as a user of their own. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { archiveOf, createBuildFixture, type BuildFixture, type Tree } from "../../../test/deployments/buildFixture";
import { repoRoot } from "../../../test/e2e/support/processes";

/** Below the folder in which the SDK and the CLI are installed: the sources of these tests bring no packages. */
const clientDir = path.join(repoRoot, "test/e2e/client");
const UID = 1_899_000_001;
const isRoot = process.getuid?.() === 0;

let f: BuildFixture;
let root: string;
beforeAll(async () => {
  f = await createBuildFixture();
  mkdirSync(path.join(clientDir, ".work"), { recursive: true });
  root = mkdtempSync(path.join(clientDir, ".work/builder-"));
  chmodSync(root, 0o755);
});
afterAll(async () => {
  await f.close();
  rmSync(root, { recursive: true, force: true });
});

const CONFIG = (extra = "") =>
  [
    'import { defineConfig } from "@trigger.dev/sdk";',
    extra,
    'export default defineConfig({ project: "proj_other", runtime: "node", dirs: ["./src/trigger"], maxDuration: 60 });',
  ].join("\n");
const TASK = `import { task } from "@trigger.dev/sdk";
export const hello = task({ id: "hello", run: async () => "hello" });
`;

function sources(over: Tree = {}): Tree {
  return {
    "package.json": JSON.stringify({ name: "shop", private: true, type: "module" }),
    "package-lock.json": JSON.stringify({ name: "shop", lockfileVersion: 3, requires: true, packages: { "": { name: "shop" } } }),
    "apps/jobs/trigger.config.ts": CONFIG(),
    "apps/jobs/src/trigger/hello.ts": TASK,
    "apps/jobs/package.json": JSON.stringify({ name: "jobs", private: true, type: "module" }),
    ...over,
  };
}
const SOURCE = { fromBundle: false, contentHash: "-", configFilePath: "apps/jobs/trigger.config.ts" };

describe("builds of sources", () => {
  let stop: () => Promise<void>;
  beforeAll(async () => {
    const { builder } = await f.builder("l0", { root: path.join(root, "l0") });
    stop = () => builder.stop();
  });
  afterAll(() => stop());

  it("23: bundles with the project's own CLI, attaches the bundle, and registers the worker", async () => {
    const id = await f.deploy(await archiveOf(sources()), SOURCE);
    const began = Date.now();
    const job = await f.ended(id, 120_000);
    const log = (await f.lines(id)).join("\n");
    expect(job, log).toMatchObject({ state: "succeeded", outcome: { ok: true } });
    const row = await f.deployment(id);
    expect(row).toMatchObject({
      worker_version_id: expect.any(String) as string,
      bundle_key: expect.stringMatching(/^bundles\//) as string,
    });
    expect(log).toContain("Bundling with trigger.dev 4.8.3");
    expect(await f.sql("SELECT 1 FROM deployment WHERE environment_id = $1", [f.prod.id])).toHaveLength(1);
    process.stdout.write(`source build: ${Date.now() - began} ms ${JSON.stringify(job.outcome?.milliseconds)}\n`);
    expect(readdirSync(path.join(root, "l0/work"))).toEqual([]);
  }, 180_000);

  it.each([
    ["a config that is not there", sources(), { ...SOURCE, configFilePath: "other/trigger.config.ts" }, "config_missing"],
    ["a config outside of the archive", sources(), { ...SOURCE, configFilePath: "../../etc/passwd" }, "config_missing"],
    ["a link out of the archive", sources({ out: "link:../../etc" }), SOURCE, "archive_refused"],
    [
      "a lockfile that does not fit",
      sources({ "package.json": '{"name":"shop","dependencies":{"is-odd":"3.0.1"}}' }),
      SOURCE,
      "install_failed",
    ],
    [
      "a config that throws",
      sources({ "apps/jobs/trigger.config.ts": CONFIG('throw new Error("no config today");') }),
      SOURCE,
      "bundle_failed",
    ],
  ])(
    "ends %s as the user's",
    async (_name, tree, over, code) => {
      const id = await f.deploy(await archiveOf(tree), over);
      expect(await f.ended(id, 100_000)).toMatchObject({ state: "failed", outcome: { kind: "user", code } });
    },
    120_000
  );

  it("tries an unreachable registry three times, then says so", async () => {
    const tree = sources({
      "package-lock.json": JSON.stringify({
        name: "shop",
        lockfileVersion: 3,
        packages: {
          "": { name: "shop", dependencies: { "is-odd": "3.0.1" } },
          "node_modules/is-odd": { version: "3.0.1", resolved: "http://127.0.0.1:9/is-odd-3.0.1.tgz", integrity: "sha512-AAAA" },
        },
      }),
      "package.json": '{"name":"shop","dependencies":{"is-odd":"3.0.1"}}',
      ".npmrc": "fetch-retries=0\nreplace-registry-host=never\n",
    });
    const id = await f.deploy(await archiveOf(tree), SOURCE);
    expect(await f.ended(id, 90_000)).toMatchObject({ state: "failed", outcome: { kind: "network", code: "install_failed" } });
    expect((await f.lines(id)).join("\n")).toContain("Trying again (3 of 3)");
  }, 120_000);
});

describe("builds as a user of their own (L1), or honestly as the agent's (L0) where that is not possible", () => {
  beforeAll(async () => {
    await f.builder("l1", { root: path.join(root, "l1"), uidOf: isRoot ? () => UID : null });
  });

  it("98: cannot read the server's files, and can do all that a build has to", async () => {
    const secret = path.join(root, "secret.txt");
    writeFileSync(secret, "of the server", { mode: 0o600 });
    const spy = `import { readFileSync, writeFileSync } from "node:fs";
let seen; try { seen = readFileSync(${JSON.stringify(secret)}, "utf8"); } catch (error) { seen = error.code; }
console.log("SPY " + process.getuid() + " " + seen + " " + process.env.HOME);`;
    const id = await f.deploy(await archiveOf(sources({ "apps/jobs/trigger.config.ts": CONFIG(spy) })), SOURCE);
    const job = await f.ended(id, 120_000);
    const log = (await f.lines(id)).join("\n");
    expect(job, log).toMatchObject({ state: "succeeded" });
    expect(readFileSync(secret, "utf8")).toBe("of the server");
    expect(log).toContain(isRoot ? `SPY ${UID} EACCES` : `SPY ${process.getuid?.()} of the server`);
  }, 180_000);
});
