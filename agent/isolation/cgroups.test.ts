import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Fixture, eventually } from "../testing/fixture";
import { Cgroups, openCgroups } from "./cgroups";
import { CGROUP_ROOT, findHierarchy, pathIn, type Hierarchy } from "./hierarchy";
import { detectIsolation } from "./isolation";

const SELF_V1 = "9:name=systemd:/\n4:memory:/outer/inner\n1:cpu,cpuacct:/\n0::/\n";
let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), "sluice-cgroups-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Folders and files of a made-up hierarchy. */
function write(files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), text);
  }
}

function hierarchy(self = "0::/\n"): Hierarchy {
  const found = findHierarchy(root, self);
  if (typeof found === "string") throw new Error(found);
  return found;
}

describe("the hierarchy", () => {
  it("is v2 where that has the controllers, and named as missing where it has not", () => {
    write({ "cgroup.controllers": "cpuset io\n" });
    expect(findHierarchy(root, "")).toContain("without the controllers memory and cpu");
    write({ "cgroup.controllers": "cpu memory pids\n" });
    expect(hierarchy()).toMatchObject({ version: 2, bases: { memory: root, cpu: root } });
  });

  it("is the agent's own group in v2 only where that hands its controllers down", () => {
    write({ "cgroup.controllers": "cpu memory\n", "own/cgroup.procs": "", "own/cgroup.subtree_control": "cpu\n" });
    expect(hierarchy("0::/own\n").bases.memory).toBe(root);
    write({ "own/cgroup.subtree_control": "cpu memory\n" });
    expect(hierarchy("0::/own\n").bases.memory).toBe(path.join(root, "own"));
  });

  it("is v1 otherwise, below the agent's own group", () => {
    expect(findHierarchy(root, SELF_V1)).toContain("no memory control groups");
    write({ "memory/cgroup.procs": "" });
    expect(findHierarchy(root, SELF_V1)).toContain("no cpu control groups");
    write({ "cpu/cgroup.procs": "", "memory/outer/inner/cgroup.procs": "" });
    expect(hierarchy(SELF_V1)).toMatchObject({
      version: 1,
      bases: { memory: path.join(root, "memory/outer/inner"), cpu: path.join(root, "cpu") },
    });
  });

  it("reads the agent's own group of each controller", () => {
    expect([pathIn(SELF_V1, "memory"), pathIn(SELF_V1, "cpu"), pathIn(SELF_V1, ""), pathIn("0::/a:b\n", "")]).toEqual([
      "/outer/inner",
      "/",
      "/",
      "/a:b",
    ]);
  });
});

describe("limits", () => {
  const text = (name: string) => readFileSync(path.join(root, name), "utf8");

  it("are those of the machine in v2, without swap", () => {
    write({ "cgroup.controllers": "cpu memory\n", "sluice-a/r-1/memory.swap.max": "max" });
    new Cgroups(hierarchy(), "sluice-a").create("r-1", { cpu: 4, memory: 0.5 });
    const group = "sluice-a/r-1";
    expect(text(`${group}/memory.max`)).toBe(String(640 * 1024 * 1024));
    expect(text(`${group}/memory.swap.max`)).toBe("0");
    expect([text(`${group}/cpu.max`), text(`${group}/cpu.weight`)]).toEqual(["400000 100000", "400"]);
    expect([text("cgroup.subtree_control"), text("sluice-a/cgroup.subtree_control")]).toEqual(["+memory +cpu", "+memory +cpu"]);
  });

  it("are those of the machine in v1", () => {
    write({ "memory/cgroup.procs": "", "cpu/cgroup.procs": "" });
    new Cgroups(hierarchy(), "sluice-a").create("r-1", { cpu: 0.5, memory: 0.5 });
    expect(text("memory/sluice-a/r-1/memory.limit_in_bytes")).toBe(String(640 * 1024 * 1024));
    expect(text("cpu/sluice-a/r-1/cpu.cfs_quota_us")).toBe("200000");
    expect(text("cpu/sluice-a/r-1/cpu.shares")).toBe("512");
  });

  it("of a machine without numbers are none", () => {
    write({ "cgroup.controllers": "cpu memory\n" });
    expect(hierarchy().settings({ cpu: 0, memory: 0 })).toEqual([]);
  });
});

describe("detection", () => {
  it("tries a process: files that only look like control groups give L1 with the reason", () => {
    write({ "cgroup.controllers": "cpu memory\n" });
    expect(openCgroups({ name: "sluice-a", root })).toContain("was not in it");
    write({ "sluice-b": "in the way" });
    expect(openCgroups({ name: "sluice-b", root })).toContain("could not be made");
    const level = detectIsolation({ wanted: null, node: process.execPath, agent: "b", cgroupRoot: root });
    expect(level.level).not.toBe("L2");
    expect(level.note).toContain(level.level === "L1" ? "could not be made" : "not root");
  });
});

/** Null where this machine has no control groups for us: the tests above then say all that there is to say. */
function openHere(): Cgroups | null {
  const opened = openCgroups({ name: `sluice-test-${process.pid}` });
  return typeof opened === "string" ? null : opened;
}

describe("L2 where this machine allows it", () => {
  let opened: Cgroups | null;
  beforeEach(() => {
    opened = openHere();
  });
  const env = { NODE_ENV: "production" as const };
  const node = (groups: Cgroups, code: string) => groups.inside("r-1", { command: process.execPath, args: ["-e", code], env });
  afterEach(() => opened?.close());

  it("kills what takes more memory than its machine has, and leaves the rest", () => {
    const groups = opened;
    if (!groups) return;
    groups.create("r-1", { cpu: 1, memory: 0.125 });
    const run = (megabytes: number) => {
      const { command, args } = node(groups, `console.log(Buffer.alloc(${megabytes} * 1024 * 1024, 1).length)`);
      return spawnSync(command, args, { env, encoding: "utf8" });
    };
    expect(run(20)).toMatchObject({ status: 0, stdout: `${20 * 1024 * 1024}\n` });
    expect(run(600)).toMatchObject({ signal: "SIGKILL", stdout: "" });
  });

  it("keeps the pid that was spawned, and every child of it", async () => {
    const groups = opened;
    if (!groups) return;
    groups.create("r-1", { cpu: 1, memory: 0.5 });
    const { command, args } = node(groups, "require('child_process').spawnSync('sleep', ['60'])");
    const child = spawn(command, args, { env, stdio: "ignore" });
    const hasChild = () => readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim();
    await eventually("its child", () => hasChild() !== "");
    expect(readFileSync(`/proc/${hasChild()}/cgroup`, "utf8")).toContain("/r-1");
    spawnSync("kill", ["-9", hasChild(), String(child.pid)]);
    await new Promise((resolve) => child.once("exit", resolve));
  });

  it("holds for the replicas of an agent, which reports the level", async () => {
    const groups = opened;
    if (!groups) return;
    const fixture = await Fixture.create();
    try {
      fixture.server.desire({ id: "d1", releaseDigest: fixture.release() });
      const agent = await fixture.agent(["--isolation", "L2"]);
      await fixture.running("d1", 1);
      expect(fixture.server.connected).toMatchObject({ capabilities: { isolation: "L2", isolationNote: null } });
      const pid = fixture.instances("d1")[0]?.pid ?? 0;
      const own = pathIn(readFileSync(`/proc/${pid}/cgroup`, "utf8"), groups.version === 2 ? "" : "memory");
      const limit = groups.version === 2 ? "memory.max" : "memory/";
      const file = path.join(CGROUP_ROOT, limit === "memory/" ? `memory${own}/memory.limit_in_bytes` : `${own}/memory.max`);
      expect(readFileSync(file, "utf8").trim()).toBe(String(640 * 1024 * 1024));
      const run = fixture.server.trigger({ deploymentId: "d1" });
      await eventually("the run", () => run.state === "finished");
      expect(run.completions[0]?.ok).toBe(true);
      await fixture.stopAgent(agent);
    } finally {
      await fixture.close();
    }
  });
});
