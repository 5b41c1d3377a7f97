import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Fixture, eventually } from "../testing/fixture";
import { isAlive, processesOf, signal, startTimeOf } from "./proc";

let fixture: Fixture;
beforeEach(async () => {
  fixture = await Fixture.create();
});
afterEach(() => fixture.close());

const finished = (run: { state: string }) => run.state === "finished";

describe("88: replica counts", () => {
  it("converge up, down, and after a restart of the agent", async () => {
    const { server } = fixture;
    const releaseDigest = fixture.release();
    server.desire({ id: "d1", releaseDigest, replicas: 2 });
    const agent = await fixture.agent();
    await fixture.running("d1", 2);
    server.desire({ id: "d1", releaseDigest, replicas: 4 });
    await fixture.running("d1", 4);
    server.desire({ id: "d1", releaseDigest, replicas: 1 });
    await fixture.running("d1", 1);
    await eventually("the others to be gone", () => fixture.instances("d1").length === 1);
    await fixture.stopAgent(agent);
    expect(server.instances).toEqual([]);
    await fixture.agent();
    await fixture.running("d1", 1);
    server.drop("d1");
    await eventually("nothing to be left", () => server.instances.length === 0);
    expect(server.downloads).toEqual(["whole"]);
  });

  it("start again what ends without being asked", async () => {
    fixture.server.desire({ id: "d1", releaseDigest: fixture.release() });
    await fixture.agent();
    await fixture.running("d1", 1);
    const [before] = fixture.instances("d1");
    signal(before?.pid ?? 0, "SIGKILL");
    await eventually("another process", () => fixture.instances("d1", "running").some((now) => now.pid !== before?.pid));
    expect(fixture.instances("d1")[0]?.restarts).toBe(1);
  });
});

describe("versions for two versions of Node", () => {
  it("92: node-22 and node-24 run side by side on one agent, each by its own binary", async () => {
    const { server } = fixture;
    const binaries = ["node-22", "node-24"].map((runtime) => {
      const file = path.join(fixture.dataDir, runtime);
      // Which binary started a process can be read from its command line.
      writeFileSync(file, `#!/bin/sh\nexec "${process.execPath}" --stack-trace-limit=${runtime.slice(5)} "$@"\n`, { mode: 0o755 });
      return ["--runtime", `${runtime}=${file}`];
    });
    const releaseDigest = fixture.release();
    for (const runtime of ["node-22", "node-24"]) server.desire({ id: runtime, releaseDigest, runtime });
    await fixture.agent(binaries.flat());
    for (const runtime of ["node-22", "node-24"]) {
      await fixture.running(runtime, 1);
      const pid = fixture.instances(runtime)[0]?.pid ?? 0;
      expect(readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")).toContain(`--stack-trace-limit=${runtime.slice(5)}`);
      const run = server.trigger({ deploymentId: runtime });
      await eventually("the run", () => finished(run));
      expect(run.completions[0]?.ok).toBe(true);
    }
  });
});

describe("versions for Bun", () => {
  /** A Bun that tells itself from Node by a variable. */
  function fakeBun(): string {
    const file = path.join(fixture.dataDir, "bun");
    writeFileSync(file, `#!/bin/sh\nFAKE_BUN=1 exec "${process.execPath}" "$@"\n`, { mode: 0o755 });
    return file;
  }

  it.each([
    ["bun", undefined],
    ["bun-1.4", "1"],
  ])("of runtime %s find it where the agent was told", async (runtime, controllerOnBun) => {
    const { server } = fixture;
    server.desire({ id: "d1", releaseDigest: fixture.release(), runtime });
    const agent = await fixture.agent(["--runtime", `bun=${fakeBun()}`]);
    expect(agent.capabilities.packages).toEqual(["bun"]);
    await fixture.running("d1", 1);
    const run = server.trigger({ deploymentId: "d1", payload: { echoEnv: true } });
    await eventually("the run", () => finished(run));
    const { controller } = JSON.parse(run.completions[0]?.output ?? "{}") as { controller: Record<string, string> };
    expect(controller).toMatchObject({ BUN_INSTALL_BIN: fixture.dataDir });
    expect(controller.FAKE_BUN).toBe(controllerOnBun);
    expect(controller.PATH?.split(":")).toContain(fixture.dataDir);
  });

  it("fail with the option that is missing where the agent has none", async () => {
    fixture.server.desire({ id: "d1", releaseDigest: fixture.release(), runtime: "bun" });
    await fixture.agent();
    await eventually("the failure", () => fixture.instances("d1", "failed").length === 1);
    expect(fixture.instances("d1")[0]?.message).toContain("--runtime bun=/path/to/bun");
  });
});

describe("runs", () => {
  it("go to a parked replica, and one process does many", async () => {
    const { server } = fixture;
    server.desire({ id: "d1", releaseDigest: fixture.release() });
    await fixture.agent();
    await fixture.running("d1", 1);
    const runs = [1, 2, 3].map(() => server.trigger({ deploymentId: "d1" }));
    await eventually("three runs", () => runs.every(finished));
    expect(new Set(runs.flatMap((run) => run.starters)).size).toBe(1);
    expect(runs.map((run) => run.completions.length)).toEqual([1, 1, 1]);
  });

  it("start cold on a version that keeps no replicas here", async () => {
    const { server } = fixture;
    server.desire({ id: "d1", releaseDigest: fixture.release(), replicas: 0 });
    await fixture.agent();
    const run = server.trigger({ deploymentId: "d1" });
    await eventually("the run", () => finished(run));
    expect(run.completions[0]?.ok).toBe(true);
  });

  it("start cold for a larger machine than the parked one", async () => {
    const { server } = fixture;
    server.desire({ id: "d1", releaseDigest: fixture.release() });
    await fixture.agent();
    await fixture.running("d1", 1);
    const [parked] = fixture.instances("d1");
    const run = server.trigger({ deploymentId: "d1", machine: "medium-1x", payload: { echoEnv: true } });
    await eventually("the run", () => finished(run));
    expect(run.starters).not.toContain(parked?.runnerId);
    expect(JSON.parse(run.completions[0]?.output ?? "{}").controller.TRIGGER_MACHINE_MEMORY).toBe("2");
  });

  it("retry on the same process when the server says so", async () => {
    const { server } = fixture;
    server.desire({ id: "d1", releaseDigest: fixture.release() });
    await fixture.agent();
    await fixture.running("d1", 1);
    const run = server.trigger({ deploymentId: "d1", payload: { failWith: "no" } });
    await eventually("three attempts", () => run.attempts >= 3);
    expect(new Set(run.starters).size).toBe(1);
    run.state = "finished";
  });

  it("97: a warm dispatch that is not taken starts cold and is executed once", async () => {
    const { server } = fixture;
    server.desire({ id: "d1", releaseDigest: fixture.release({ boot: "deaf" }) });
    await fixture.agent();
    await fixture.running("d1", 1);
    const [deaf] = fixture.instances("d1");
    const run = server.trigger({ deploymentId: "d1" });
    await eventually("the run", () => finished(run));
    expect(run.attempts).toBe(1);
    expect(run.starters).not.toContain(deaf?.runnerId);
    expect(startTimeOf(deaf?.pid ?? 0)).toBeNull();
  });

  it("are given back when their version cannot be had", async () => {
    const { server } = fixture;
    server.desire({ id: "d1", releaseDigest: `sha256:${"0".repeat(64)}`, replicas: 0 });
    await fixture.agent();
    const run = server.trigger({ deploymentId: "d1" });
    await eventually("its return", () => run.releases.length > 0);
    expect(run.releases[0]).toContain("404");
    run.state = "finished";
  });
});

describe("ends", () => {
  it("89: SIGKILL of a controller leaves no orphan within 2 s, and its run is retried", async () => {
    const { server } = fixture;
    server.desire({ id: "d1", releaseDigest: fixture.release() });
    await fixture.agent();
    await fixture.running("d1", 1);
    const [victim] = fixture.instances("d1");
    const name = victim?.runnerId ?? "";
    const run = server.trigger({ deploymentId: "d1", payload: { orphan: true, sleepMs: 60_000 } });
    await eventually("a detached grandchild", () => processesOf(name, null).length >= 2);
    signal(victim?.pid ?? 0, "SIGKILL");
    await eventually("no orphan", () => processesOf(name, null).length === 0, 2_000);
    await eventually("the report of the crash", () => run.completions.length > 0);
    expect(run.completions[0]?.error?.code).toBe("TASK_PROCESS_EXITED_WITH_NON_ZERO_CODE");
    await eventually("another attempt", () => run.attempts === 2);
    expect(run.starters[1]).not.toBe(name);
    run.state = "finished";
  });

  it("90: SIGTERM of the agent finishes the run", async () => {
    const { server } = fixture;
    server.desire({ id: "d1", releaseDigest: fixture.release() });
    const agent = await fixture.agent();
    await fixture.running("d1", 1);
    const run = server.trigger({ deploymentId: "d1", payload: { sleepMs: 700 } });
    await eventually("the attempt", () => run.state === "executing");
    await fixture.stopAgent(agent, 30_000);
    expect(run.completions).toHaveLength(1);
    expect(run.completions[0]?.ok).toBe(true);
  });

  it("a version that is not wanted any more keeps its replica until the run is over", async () => {
    const { server } = fixture;
    server.desire({ id: "d1", releaseDigest: fixture.release() });
    await fixture.agent();
    await fixture.running("d1", 1);
    const run = server.trigger({ deploymentId: "d1", payload: { sleepMs: 600 } });
    await eventually("the attempt", () => run.state === "executing");
    server.drop("d1");
    await eventually("draining", () => fixture.instances("d1", "draining").length === 1);
    await eventually("the run", () => finished(run));
    expect(run.completions[0]?.ok).toBe(true);
    await eventually("nothing to be left", () => server.instances.length === 0);
  });

  it("94: a crash loop is detected and reported with the last words; a change of the version tries again", async () => {
    const { server } = fixture;
    server.desire({ id: "d1", releaseDigest: fixture.release({ boot: "crash" }) });
    await fixture.agent();
    await eventually("the failure", () => fixture.instances("d1", "failed").length === 1);
    const [failed] = fixture.instances("d1");
    expect(failed?.message).toContain("Ended 5 times within 60 s");
    expect(failed?.message).toContain("boot failed on purpose");
    expect(failed?.restarts).toBe(5);
    server.desire({ id: "d1", releaseDigest: fixture.release() });
    await fixture.running("d1", 1);
  });
});

describe("slots", () => {
  it("a version that has none takes that of an idle version that is not current", async () => {
    const { server } = fixture;
    server.desire({ id: "old", releaseDigest: fixture.release(), isCurrent: false });
    const current = server.desire({ id: "current", releaseDigest: fixture.release({ label: "2" }), version: "20261121.2" });
    await fixture.agent(["--slots", "2"]);
    await fixture.running("old", 1);
    await fixture.running("current", 1);
    server.desire({ id: "new", releaseDigest: fixture.release({ label: "3" }), version: "20261121.3", isCurrent: false });
    await fixture.running("new", 1);
    expect(fixture.instances(current.id, "running")).toHaveLength(1);
    await eventually("the old one to wait", () => fixture.instances("old", "preparing").length === 1);
    expect(fixture.instances("old")[0]?.message).toContain("All 2 slots");
  });
});

describe("processes", () => {
  it("are told apart by their start time", () => {
    const mine = startTimeOf(process.pid);
    expect(mine).toMatch(/^\d+$/);
    expect(isAlive(process.pid, mine ?? "")).toBe(true);
    expect(isAlive(process.pid, "1")).toBe(false);
  });
});
