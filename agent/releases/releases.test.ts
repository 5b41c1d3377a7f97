import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLogger } from "../../app/platform/logger";
import { ServerClient } from "../server/serverClient";
import { AgentServer } from "../testing/agentServer";
import { packProgram } from "../testing/program";
import { eventually, Fixture } from "../testing/fixture";
import { ReleaseCache } from "./cache";
import { DamagedRelease, download, digestOf } from "./download";
import { relocate, relocateBuild } from "./relocate";

let server: AgentServer;
let root: string;
let archives: string[];
beforeEach(async () => {
  server = await new AgentServer().start();
  root = mkdtempSync(path.join(os.tmpdir(), "sluice-releases-"));
  archives = [];
});
afterEach(async () => {
  await server.stop();
  for (const dir of [root, ...archives.map((archive) => path.dirname(archive))]) rmSync(dir, { recursive: true, force: true });
});

function release(label = "1"): string {
  const archive = packProgram({ label });
  archives.push(archive);
  return server.addRelease(archive);
}

const client = () => new ServerClient({ url: server.url, token: server.token, instanceName: "tester" });
const cache = (keepUnused = 10, now = Date.now) => new ReleaseCache({ root, source: client(), log: silentLogger, now, keepUnused });
const key = (digest: string) => ({ digest, processKeepAlive: false, gid: null });

describe("download", () => {
  const input = (digest: string) => ({ source: client(), digest, file: path.join(root, "part"), signal: new AbortController().signal });

  it("continues where a connection was cut", async () => {
    const digest = release();
    server.cutAfter = Math.ceil((server.releases.get(digest)?.length ?? 0) / 3);
    await download(input(digest));
    expect(await digestOf(path.join(root, "part"))).toBe(digest);
    expect(server.downloads.at(-1)).toMatch(/^bytes=[1-9]\d*-$/);
  });

  it("93, matrix 33: fetches a damaged copy again", async () => {
    const digest = release();
    server.corrupt = (bytes, request) => (request === 1 ? Buffer.concat([Buffer.from([255]), bytes.subarray(1)]) : bytes);
    await download(input(digest));
    expect(server.downloads).toEqual(["whole", "whole"]);
  });

  it("93, matrix 33: gives up after the third damaged copy", async () => {
    const digest = release();
    server.corrupt = (bytes) => Buffer.concat([Buffer.from([255]), bytes.subarray(1)]);
    await expect(download(input(digest))).rejects.toThrow(DamagedRelease);
    expect(server.downloads).toHaveLength(3);
    expect(existsSync(path.join(root, "part"))).toBe(false);
  });

  it("does not ask again for what the server does not have", async () => {
    await expect(download(input(`sha256:${"0".repeat(64)}`))).rejects.toThrow("404");
    expect(server.downloads).toEqual([]);
  });
});

describe("93, matrix 33: a release that stays damaged", () => {
  it("fails its version with the reason, and nothing runs", async () => {
    const fixture = await Fixture.create();
    try {
      fixture.server.corrupt = (bytes) => Buffer.concat([Buffer.from([255]), bytes.subarray(1)]);
      fixture.server.desire({ id: "d1", releaseDigest: fixture.release() });
      await fixture.agent();
      await eventually("the failure", () => fixture.instances("d1", "failed").length === 1);
      expect(fixture.instances("d1")[0]?.message).toContain("arrived damaged 3 times");
      expect(fixture.server.downloads).toHaveLength(3);
    } finally {
      await fixture.close();
    }
  });
});

describe("cache", () => {
  it("fetches once for many, and holds what is in use", async () => {
    const digest = release();
    const releases = cache(0);
    const [one, two] = await Promise.all([releases.acquire(key(digest)), releases.acquire(key(digest))]);
    expect(one).toBe(two);
    expect(server.downloads).toEqual(["whole"]);
    releases.release(one.key);
    expect(releases.evict()).toBe(0);
    releases.release(one.key);
    expect(releases.evict()).toBe(1);
    expect(existsSync(one.dir)).toBe(false);
  });

  it("99: keeps the newest unused ones, and those in use whatever their age", async () => {
    let now = 1_000;
    const releases = cache(1, () => now++);
    const used = await releases.acquire(key(release("a")));
    const older = await releases.acquire(key(release("b")));
    const newer = await releases.acquire(key(release("c")));
    releases.release(older.key);
    releases.release(newer.key);
    expect(releases.evict()).toBe(1);
    expect([used, older, newer].map(({ dir }) => existsSync(dir))).toEqual([true, false, true]);
  });

  it("removes what a crash left half done", async () => {
    const releases = cache();
    execFileSync("mkdir", ["-p", path.join(root, "unpack-x"), path.join(root, "gone-y")]);
    releases.sweep();
    expect(readdirSync(root)).toEqual(["downloads"]);
  });

  it("unpacks a variant of its own where the environment turns processKeepAlive on", async () => {
    const digest = release();
    const releases = cache();
    const plain = await releases.acquire(key(digest));
    const kept = await releases.acquire({ ...key(digest), processKeepAlive: true });
    expect(kept.dir).not.toBe(plain.dir);
    const index = (dir: string) => JSON.parse(readFileSync(path.join(dir, "index.json"), "utf8")) as Record<string, unknown>;
    expect(index(kept.dir).processKeepAlive).toEqual({ enabled: true });
    expect(index(plain.dir).processKeepAlive).toBeUndefined();
  });

  it("refuses what is not a digest", async () => {
    await expect(cache().acquire(key("sha256:../../etc"))).rejects.toThrow("Not a digest");
  });
});

describe("17: relocation", () => {
  it("rewrites the listed fields, not strings in sources, and can be done again", () => {
    const dir = path.join(root, "r");
    execFileSync("mkdir", [dir]);
    execFileSync("tar", ["-xf", packed(), "-C", dir]);
    relocate({ dir, processKeepAlive: false });
    const { controllerEntryPoint } = relocate({ dir, processKeepAlive: false });
    expect(existsSync(controllerEntryPoint)).toBe(true);
    const build = JSON.parse(readFileSync(path.join(dir, "build.json"), "utf8")) as Record<string, unknown>;
    expect(build.outputPath).toBe(`${dir}/`);
    expect(build.files).toEqual([{ entry: "src/tasks.ts", out: `${dir}/src/tasks.mjs` }]);
    expect(JSON.stringify(build.sources)).toContain("reads /app/data");
    const index = JSON.parse(readFileSync(path.join(dir, "index.json"), "utf8")) as { tasks: { entryPoint: string }[] };
    expect(index.tasks[0]?.entryPoint).toBe(`${dir}/src/tasks.mjs`);
  });

  it("leaves a path alone that only begins like the old root", () => {
    expect(relocateBuild({ configPath: "/application/x" }, "/app/", "/new/")).toEqual({ configPath: "/application/x" });
  });

  it("says what is missing", () => {
    expect(() => relocate({ dir: root, processKeepAlive: false })).toThrow("no readable build.json");
    writeFileSync(path.join(root, "build.json"), "{}");
    expect(() => relocate({ dir: root, processKeepAlive: false })).toThrow("build.json of the release is not what the CLI writes");
  });

  function packed(): string {
    const archive = packProgram();
    archives.push(archive);
    return archive;
  }
});
