/** The builder against a whole server: real bundles of the unmodified CLI, real packages, real processes. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { archiveOf, createBuildFixture, treeOf, type BuildFixture, type Tree } from "../../test/deployments/buildFixture";
import { makeProject } from "../../test/e2e/support/devSession";
import { repoRoot, spawnGroup } from "../../test/e2e/support/processes";
import { MARKER, processesOf } from "../replicas/proc";
import { extractArchive } from "./release/extract";

let f: BuildFixture;
let bundle: Tree;
let project: ReturnType<typeof makeProject>;

/** Bundles with the unmodified CLI, as a developer's machine does, and returns what it would upload. */
async function bundleOf(dir: string): Promise<Tree> {
  const cli = spawnGroup(
    process.execPath,
    [
      path.join(repoRoot, "test/e2e/client/node_modules/trigger.dev/dist/esm/index.js"),
      ...["deploy", "--native-build", "--local-bundle", "--dry-run", "--skip-update-check", "--plain"],
    ],
    {
      cwd: dir,
      env: {
        PATH: process.env.PATH,
        HOME: dir,
        NODE_OPTIONS: `--require=${path.join(repoRoot, "test/e2e/offline.cjs")}`,
        TRIGGER_ACCESS_TOKEN: f.prod.secretKey,
        TRIGGER_API_URL: f.url,
        TRIGGER_TELEMETRY_DISABLED: "1",
        SLUICE_PROJECT_REF: f.prod.project.ref,
      },
    }
  );
  const code = await cli.ended;
  const found = /View the built bundle at (\S+)/.exec(cli.output())?.[1];
  if (code !== 0 || !found) throw new Error(`deploy --dry-run ended with ${code}:\n${cli.output()}`);
  return treeOf(found);
}

beforeAll(async () => {
  f = await createBuildFixture();
  project = makeProject();
  bundle = await bundleOf(project.dir);
  await f.builder("one", { runtimes: new Map([["node-24", otherNode()]]) });
}, 120_000);
afterAll(async () => {
  project.remove();
  await f.close();
});

/** A second Node, which writes down what it is started for. */
function otherNode(): string {
  const file = path.join(f.root, "node-24/node");
  mkdirSync(path.dirname(file));
  writeFileSync(file, `#!/bin/sh\necho "$@" >> "${startsOfOtherNode()}"\nexec "${process.execPath}" "$@"\n`, { mode: 0o755 });
  return file;
}
const startsOfOtherNode = () => path.join(f.root, "node-24/starts.txt");

const text = (tree: Tree, name: string) => String(tree[name]);
const packageJson = (tree: Tree, dependencies: Record<string, string>) => ({
  ...tree,
  "package.json": JSON.stringify({ ...(JSON.parse(text(tree, "package.json")) as object), dependencies }),
});
const withCommands = (tree: Tree, commands: string[], args: string[] = []): Tree => {
  const [before = "", between = "", ...rest] = text(tree, "Containerfile").split("COPY --chown=node:node . .\n");
  const named = args.map((name) => `ARG ${name}\nENV ${name}=$${name}`).join("\n");
  const head = before.replace("ENV NODE_ENV=production\nENV NPM", `${named}\n\nENV NODE_ENV=production\nENV NPM`);
  const run = commands.map((command) => `RUN ${command}`).join("\n");
  return { ...tree, Containerfile: [head, `\n${run}\n${between}`, ...rest].join("COPY --chown=node:node . .\n") };
};
const withTaskFile = (tree: Tree, code: string): Tree => {
  const name = Object.keys(tree).find((file) => file.endsWith("src/trigger/tasks.mjs")) ?? "";
  return { ...tree, [name]: `${code}\n${text(tree, name)}` };
};

describe("builder", { timeout: 120_000 }, () => {
  it("turns a bundle into a release whose worker is registered, and does it again from the cache with the same bytes", async () => {
    const tree = packageJson(bundle, { "is-odd": "3.0.1" });
    const first = await f.deploy(await archiveOf(tree));
    const began = Date.now();
    expect(await f.ended(first)).toMatchObject({ state: "succeeded", outcome: { ok: true } });
    const firstMs = Date.now() - began;
    const row = await f.deployment(first);
    expect(row).toMatchObject({
      worker_version_id: expect.any(String) as string,
      image_reference: `release://${String(row.release_digest)}`,
    });

    const second = await f.deploy(await archiveOf(tree));
    const again = Date.now();
    const job = await f.ended(second);
    const secondMs = Date.now() - again;
    expect(job).toMatchObject({ state: "succeeded" });
    expect((await f.deployment(second)).release_digest).toBe(row.release_digest);
    expect((await f.lines(second)).join("\n")).toContain("taken from the cache");
    process.stdout.write(`build: first ${firstMs} ms, second ${secondMs} ms ${JSON.stringify((await f.job(second)).outcome)}\n`);

    expect(readdirSync(path.join(f.root, "one/work"))).toEqual([]);
    expect(f.api.workflow.signals).toContainEqual({ id: first, topic: "build" });
    await checkRelease(String(row.release_digest), "is-odd");
  });

  /** Downloads it as an agent does, in two ranges, and unpacks it. */
  async function checkRelease(digest: string, dependency: string): Promise<void> {
    const headers = await f.connect("runner");
    const address = `${f.url}/engine/v1/worker-actions/releases/${digest}`;
    const head = await fetch(address, { headers: { ...headers, range: "bytes=0-99" } });
    expect(head.status).toBe(206);
    const rest = await fetch(address, { headers: { ...headers, range: "bytes=100-" } });
    expect(rest.headers.get("content-range")).toMatch(/^bytes 100-\d+\/\d+$/);
    const bytes = Buffer.concat([Buffer.from(await head.arrayBuffer()), Buffer.from(await rest.arrayBuffer())]);
    const { Readable } = await import("node:stream");
    const dir = await mkdtemp(path.join(os.tmpdir(), "sluice-release-"));
    await extractArchive({ source: Readable.from([bytes]), dir });
    const build = JSON.parse(readFileSync(path.join(dir, "build.json"), "utf8")) as Record<string, unknown>;
    const index = JSON.parse(readFileSync(path.join(dir, "index.json"), "utf8")) as Record<string, unknown>;
    expect(build.outputPath).toBe("/app/");
    expect(String(index.controllerEntryPoint)).toMatch(/^\/app\/node_modules\/trigger\.dev\//);
    expect(JSON.stringify(index)).not.toContain(os.tmpdir());
    expect(existsSync(path.join(dir, "node_modules", dependency))).toBe(true);
    expect(existsSync(path.join(dir, "node_modules/trigger.dev/dist/esm/entryPoints/managed-run-controller.mjs"))).toBe(true);
    rmSync(dir, { recursive: true });
  }

  it("98: hides secrets in the log and gives user code nothing of the machine", async () => {
    process.env.SLUICE_TEST_HOST_SECRET = "a secret of the host";
    const secrets = new Map([
      ["DATABASE_PASSWORD", "hunter2-and-more"],
      ["CERTIFICATE", "line-one-of-it\nline-two-of-it"],
    ]);
    await f.app.environments.variableStore.import({ envId: f.prod.id, variables: secrets, override: true, isSecret: false });
    const tree = withCommands(
      withTaskFile(bundle, 'console.error("INDEX " + JSON.stringify(process.env));'),
      ["env", 'echo "build variable $BUILD_SECRET"', "echo hunter2-and-more; printf 'line-two-of-it\\n'"],
      ["BUILD_SECRET"]
    );
    const id = await f.deploy(await archiveOf(tree), { buildEnvVars: { BUILD_SECRET: "value of the build" } });
    expect(await f.ended(id)).toMatchObject({ state: "succeeded" });
    delete process.env.SLUICE_TEST_HOST_SECRET;
    const log = (await f.lines(id)).join("\n");
    expect(log).toContain("build variable ••••••");
    expect(log).toContain("NODE_ENV=production");
    for (const hidden of [
      "hunter2",
      "line-two-of-it",
      "value of the build",
      "a secret of the host",
      "_bld_",
      f.prod.secretKey,
      "SLUICE_TEST",
    ]) {
      expect(log).not.toContain(hidden);
    }
  });

  it("92: installs, runs commands and indexes with the Node that the project is for", async () => {
    const forOther = text(bundle, "build.json").replace(/"runtime": *"[^"]+"/, '"runtime":"node-24"');
    const tree = withCommands(packageJson({ ...bundle, "build.json": forOther }, { "is-odd": "3.0.1" }), ["node -p '`a ${1 + 1}`'"]);
    const id = await f.deploy(await archiveOf(tree));
    expect(await f.ended(id)).toMatchObject({ state: "succeeded" });
    const starts = readFileSync(startsOfOtherNode(), "utf8");
    for (const start of [/npm\S* install/, /^-p /m, /managed-index-controller/]) expect(starts).toMatch(start);
  });

  it("runs layer commands between the two copies of the bundle", async () => {
    const tree = withCommands(bundle, ["rm -rf node_modules/trigger.dev", "mkdir -p generated && echo made > /app/generated/client.txt"]);
    const id = await f.deploy(await archiveOf(tree));
    expect(await f.ended(id)).toMatchObject({ state: "succeeded" });
  });

  it.each([
    [
      "a failing command",
      () => withCommands(bundle, ["echo no luck >&2; exit 3"]),
      "command_failed",
      /exit 3.*ended with status 3: no luck/s,
    ],
    [
      "a package that does not exist",
      () => packageJson(bundle, { "is-odd": "99.99.99" }),
      "install_failed",
      /npm install ended with status 1/,
    ],
    ["something that is no bundle", () => ({ "readme.txt": "hello" }), "not_a_bundle", /no build\.json/],
    [
      "matrix 34: a full disk",
      () => withCommands(bundle, ["echo 'write error: No space left on device' >&2; exit 1"]),
      "no_disk_space",
      /^Builder has no disk space$/,
    ],
    ["matrix 13: an indexer that ends at once", () => withTaskFile(bundle, "process.exit(0);"), "index", /Index|index/],
  ])("ends %s with its reason, and leaves nothing behind", async (_name, tree, code, message) => {
    const id = await f.deploy(await archiveOf(tree()));
    const job = await f.ended(id);
    expect(job).toMatchObject({ state: "failed", outcome: { ok: false } });
    expect(String(job.outcome?.code)).toContain(code);
    expect(String(job.outcome?.message)).toMatch(message);
    expect(await f.deployment(id)).toMatchObject({ release_digest: null });
    expect(readdirSync(path.join(f.root, "one/work"))).toEqual([]);
  });

  it("matrix 12, bad input: fails the deployment with the file and the error of a task file that throws, secrets hidden", async () => {
    const secret = new Map([["SERVICE_TOKEN", "opensesame-42"]]);
    await f.app.environments.variableStore.import({ envId: f.prod.id, variables: secret, override: true, isSecret: true });
    const id = await f.deploy(
      await archiveOf(withTaskFile(bundle, "throw new Error('broken at import by ' + process.env.SERVICE_TOKEN);"))
    );
    expect(await f.ended(id)).toMatchObject({ state: "failed", outcome: { code: "index_failed" } });
    const row = await f.deployment(id);
    const message = "There was an error importing task files: src/trigger/tasks.ts: broken at import by ••••••";
    expect(row).toMatchObject({ phase: "failed", error_data: { name: "TaskIndexingImportError", message } });
    expect(JSON.stringify([row, await f.lines(id), await f.job(id)])).not.toContain("opensesame");
  });

  it("matrix 12, bad input: fails it with the server's words for a task id that is used twice", async () => {
    const name = Object.keys(bundle).find((file) => file.endsWith("src/trigger/tasks.mjs")) ?? "";
    const twice = text(bundle, name).replaceAll('id: "failing"', 'id: "hello"');
    const id = await f.deploy(await archiveOf({ ...bundle, [name]: twice }));
    const job = await f.ended(id);
    expect(job).toMatchObject({ state: "failed", outcome: { kind: "user" } });
    expect(await f.deployment(id)).toMatchObject({ phase: "failed", worker_version_id: null });
    expect(String(job.outcome?.message)).toContain("hello");
  });

  it("refuses a bundle for Bun where the region does not provide it, and says what to do", async () => {
    const onBun = text(bundle, "build.json").replace(/"runtime": *"[^"]+"/, '"runtime":"bun"');
    const id = await f.deploy(await archiveOf({ ...bundle, "build.json": onBun }));
    const job = await f.ended(id);
    expect(job).toMatchObject({ state: "failed", outcome: { kind: "user", code: "packages_missing" } });
    expect(String(job.outcome?.message)).toContain("--runtime bun=/path/to/bun");
  });

  it("matrix 13: says so when the indexer ends well without registering", async () => {
    const name = "node_modules/trigger.dev/dist/esm/entryPoints/managed-index-controller.mjs";
    const id = await f.deploy(await archiveOf({ ...bundle, [name]: 'console.error("nothing to see");' }));
    const job = await f.ended(id);
    expect(job.outcome).toMatchObject({
      code: "index_no_worker",
      message: "Indexing finished without registering a worker",
      stderr: "nothing to see",
    });
  });

  it("matrix 21: kills a cancelled build and its detached children", async () => {
    const marker = path.join(f.root, "alive");
    const loop = `while true; do touch ${marker}; sleep 0.05; done`;
    const tree = withCommands(bundle, [`setsid sh -c '${loop}' & sleep 600`]);
    const id = await f.deploy(await archiveOf(tree));
    await poll(() => existsSync(marker));
    await f.sql("UPDATE deployment SET cancel_requested_at = now(), cancel_reason = 'Cancelled by user' WHERE id = $1", [id]);
    const job = await f.ended(id);
    expect(job).toMatchObject({ state: "abandoned", outcome: { kind: "cancelled", message: "Cancelled by user" } });
    expect(processesOf(`build-${id}-1`, null)).toEqual([]);
  });

  it("matrix 8: ends what the builds of an agent that was killed left running, and nothing else", async () => {
    const dir = path.join(f.root, "killed");
    // Markers are seen by the whole machine: two runs of this test must not meet.
    const folder = `left${process.pid}-1`;
    const mark = (name: string) => {
      const env = { PATH: process.env.PATH, [MARKER]: name };
      spawnGroup("sh", ["-c", "setsid sleep 600 & exec sleep 600"], { cwd: f.root, env });
      return { alive: () => processesOf(name, null) };
    };
    mkdirSync(path.join(dir, "work", folder), { recursive: true });
    const [left, other] = [mark(`build-${folder}`), mark(`build-${folder}1`)];
    try {
      await poll(() => left.alive().length === 2 && other.alive().length === 2);
      await f.builder("killed");
      await poll(() => left.alive().length === 0 && !existsSync(path.join(dir, "work", folder)));
      expect(other.alive()).toHaveLength(2);
    } finally {
      for (const pid of [...left.alive(), ...other.alive()]) process.kill(pid, "SIGKILL");
    }
  });

  it("matrix 11: stops a build that was given to another builder, and only the newest attempt may act", async () => {
    const tree = withCommands(bundle, ["sleep 2"]);
    const id = await f.deploy(await archiveOf(tree));
    await poll(async () => (await f.job(id)).state === "claimed");
    await f.sql("UPDATE build_job SET state = 'abandoned', ended_at = now() WHERE deployment_id = $1", [id]);
    await f.openJob(id, 2, "bundle");
    await poll(async () => (await f.job(id)).state === "succeeded");
    expect(await f.job(id)).toMatchObject({ attempt: 2, state: "succeeded" });
    expect((await f.lines(id)).join("\n")).toContain("(attempt 2)");
  });
});

async function poll(check: () => boolean | Promise<boolean>, deadlineMs = 30_000): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`It did not come true within ${deadlineMs} ms.`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
