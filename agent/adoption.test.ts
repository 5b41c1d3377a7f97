import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { processesOf, signal, startTimeOf } from "./replicas/proc";
import { eventually, Fixture } from "./testing/fixture";

let fixture: Fixture;
beforeEach(async () => {
  fixture = await Fixture.create();
});
afterEach(() => fixture.close());

describe("a crash of the agent", () => {
  it("88: leaves parked replicas and runs to the next one, on the same port", async () => {
    const { server } = fixture;
    server.desire({ id: "d1", releaseDigest: fixture.release(), replicas: 2 });
    const first = fixture.spawnAgent();
    await fixture.running("d1", 2);
    const pids = fixture.instances("d1").map(({ pid }) => pid);
    const run = server.trigger({ deploymentId: "d1", payload: { sleepMs: 1_500 } });
    await eventually("the attempt", () => run.state === "executing");
    first.kill("SIGKILL");
    await new Promise((resolve) => first.once("exit", resolve));
    server.instances = [];
    await fixture.agent();
    await fixture.running("d1", 2);
    expect(
      fixture
        .instances("d1")
        .map(({ pid }) => pid)
        .sort()
    ).toEqual(pids.sort());
    await eventually("the run", () => run.state === "finished");
    expect(run.completions).toHaveLength(1);
    const next = server.trigger({ deploymentId: "d1" });
    await eventually("another run on an adopted replica", () => next.state === "finished");
    expect(
      fixture
        .instances("d1")
        .map(({ pid }) => pid)
        .sort()
    ).toEqual(pids.sort());
  });

  it("100: after a reboot everything returns, and the run that was under way is retried", async () => {
    const { server } = fixture;
    server.desire({ id: "d1", releaseDigest: fixture.release() });
    const first = fixture.spawnAgent();
    await fixture.running("d1", 1);
    const [instance] = fixture.instances("d1");
    const run = server.trigger({ deploymentId: "d1", payload: { sleepMs: 60_000, orphan: true } });
    await eventually("the attempt", () => run.state === "executing");
    first.kill("SIGKILL");
    await new Promise((resolve) => first.once("exit", resolve));
    for (const pid of processesOf(instance?.runnerId ?? "", instance?.pid ?? null)) signal(pid, "SIGKILL");
    await eventually("all processes gone", () => startTimeOf(instance?.pid ?? 0) === null);
    await fixture.agent();
    await eventually("the report of the loss", () => run.completions.length === 1);
    expect(run.completions[0]?.error?.code).toBe("TASK_PROCESS_EXITED_WITH_NON_ZERO_CODE");
    await eventually("another attempt", () => run.attempts === 2);
    run.state = "finished";
  });

  it("ends orphans whose controller died while no agent watched", async () => {
    const { server } = fixture;
    server.desire({ id: "d1", releaseDigest: fixture.release() });
    const first = fixture.spawnAgent();
    await fixture.running("d1", 1);
    const [instance] = fixture.instances("d1");
    const name = instance?.runnerId ?? "";
    const run = server.trigger({ deploymentId: "d1", payload: { sleepMs: 60_000, orphan: true } });
    await eventually("a grandchild", () => processesOf(name, null).length >= 2);
    first.kill("SIGKILL");
    await new Promise((resolve) => first.once("exit", resolve));
    signal(instance?.pid ?? 0, "SIGKILL");
    await fixture.agent();
    await eventually("no orphan", () => processesOf(name, null).length === 0, 2_000);
    run.state = "finished";
  });
});

describe("two agents", () => {
  it("do not share a data directory: the second says who is there", async () => {
    fixture.server.desire({ id: "d1", releaseDigest: fixture.release() });
    fixture.spawnAgent();
    await fixture.running("d1", 1);
    const { lockDataDir } = await import("./state");
    await expect(lockDataDir(fixture.dataDir, 0)).rejects.toThrow(/already works in/);
  });
});

describe("SIGTERM", () => {
  it("leaves a busy replica to the next agent when nothing is to be waited for", async () => {
    const { server } = fixture;
    server.desire({ id: "d1", releaseDigest: fixture.release() });
    const first = fixture.spawnAgent(["--drain-seconds", "0"]);
    await fixture.running("d1", 1);
    const run = server.trigger({ deploymentId: "d1", payload: { sleepMs: 2_500 } });
    await eventually("the attempt", () => run.state === "executing");
    first.kill("SIGTERM");
    await new Promise((resolve) => first.once("exit", resolve));
    expect(run.completions).toEqual([]);
    await fixture.agent();
    await eventually("the run", () => run.state === "finished");
    expect(run.completions[0]?.ok).toBe(true);
    expect(run.attempts).toBe(1);
  });

  it("ends a replica whose run is over and that has not asked for the next", async () => {
    const { server } = fixture;
    server.desire({ id: "d1", releaseDigest: fixture.release() });
    const agent = fixture.spawnAgent(["--drain-seconds", "0"]);
    await fixture.running("d1", 1);
    const [instance] = fixture.instances("d1");
    const run = server.trigger({ deploymentId: "d1", payload: { lingerMs: 500 } });
    await eventually("the run", () => run.state === "finished");
    agent.kill("SIGTERM");
    await new Promise((resolve) => agent.once("exit", resolve));
    await eventually("the end of the replica", () => startTimeOf(instance?.pid ?? 0) === null, 3_000);
  });
});
