import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDeployedFixture, type DeployedFixture, type TestAgent } from "../../../test/deployedFixture";

let f: DeployedFixture;
let agent: TestAgent;

beforeAll(async () => {
  f = await createDeployedFixture();
  agent = f.agent((await f.region("local")).token);
  await agent.introduce();
});
afterAll(() => f.close());

type Message = { run: { friendlyId: string }; snapshot: { friendlyId: string }; backgroundWorker: { version: string }; image?: string };

async function trigger(task: string, options: Record<string, unknown> = {}): Promise<string> {
  const env = await f.environment("prod");
  const context = { trace: { traceparent: null }, requestKey: randomUUID(), source: "api", realtimeStreamsVersion: "v1" } as never;
  return (await f.app.runs.triggerTask.call({ env, task, body: { payload: 1, options }, context, oneTimeToken: null })).runId;
}

const detail = (runId: string) => f.app.store.getRun(f.prod.id, runId);

async function poll(waitMs = 5_000, from = agent): Promise<Message | undefined> {
  const { body } = await from.post<Message[]>("/engine/v1/worker-actions/dequeue", { waitMs });
  return body[0];
}

/** A poll that is held in vain, and what has become of a run by then. */
async function pollInVain(runId: string) {
  expect(await poll(300)).toBeUndefined();
  return detail(runId);
}

async function execute(message: Message | undefined, from = agent): Promise<void> {
  if (!message) throw new Error("No run was handed out.");
  const { friendlyId } = message.run;
  const started = await from.startRunAttempt(friendlyId, message.snapshot.friendlyId, {}, "r");
  if (!started.success) throw new Error(String(started.error));
  const completion = { ok: true, id: friendlyId, outputType: "application/json" } as const;
  const ended = await from.completeRunAttempt(friendlyId, started.data.snapshot.friendlyId, { completion });
  if (!ended.success) throw new Error(String(ended.error));
}

describe("runs on versions", () => {
  it("81 a run before the first deployment waits, and the first promotion queues it, once, without anybody asking", async () => {
    const first = await trigger("first");
    const second = await trigger("first");
    await expect.poll(() => pollInVain(second)).toMatchObject({ status: "PENDING_VERSION" });
    await expect.poll(() => pollInVain(first)).toMatchObject({ status: "PENDING_VERSION" });
    expect((await detail(first))?.reason).toContain("No version is current");
    const deployment = await f.deploy({ tasks: [{ id: "first" }] });
    const messages = [await poll(), await poll()];
    expect(messages.map((message) => message?.run.friendlyId).sort()).toEqual([`run_${first}`, `run_${second}`].sort());
    expect(messages[0]?.backgroundWorker.version).toBe(deployment.version);
    await Promise.all(messages.map((message) => execute(message)));
    expect(await poll(200)).toBeUndefined();
  });

  it("82 a task that the current version lacks waits until a version with it is promoted, not merely deployed", async () => {
    const runId = await trigger("later");
    await expect.poll(() => pollInVain(runId)).toMatchObject({ reason: expect.stringContaining('has no task "later"') });
    const next = await f.deploy({ tasks: [{ id: "first" }, { id: "later" }], current: false });
    await f.app.engine.promotePendingVersions(f.prod.id);
    expect(await detail(runId)).toMatchObject({ status: "PENDING_VERSION" });
    await f.promote(next);
    await execute(await poll());
    expect(await detail(runId)).toMatchObject({ status: "COMPLETED_SUCCESSFULLY", versionId: next.workerId });
  });

  it("83 a lock to an unknown version, one not deployed, or one without the task is a 422", async () => {
    const pending = await f.deploy({ tasks: [{ id: "a" }], phase: "network" });
    for (const [task, lockToVersion] of [
      ["a", "20200101.1"],
      ["a", pending.version],
    ] as const) {
      await expect(trigger(task, { lockToVersion })).rejects.toMatchObject({ status: 422, code: "unknown_version" });
    }
    const other = await f.deploy({ tasks: [{ id: "b" }], current: false });
    await expect(trigger("a", { lockToVersion: other.version })).rejects.toMatchObject({ status: 422, code: "unknown_task" });
  });

  it("84 and 85 a locked run executes on its version after another promotion, a plain one on the current version", async () => {
    const old = await f.deploy({ tasks: [{ id: "a" }] });
    const pinned = await trigger("a", { lockToVersion: old.version });
    const plain = await trigger("a");
    const current = await f.deploy({ tasks: [{ id: "a" }] });
    const messages = [await poll(), await poll()];
    const versionOf = (runId: string) => messages.find((message) => message?.run.friendlyId === `run_${runId}`)?.backgroundWorker.version;
    expect([versionOf(pinned), versionOf(plain)]).toEqual([old.version, current.version]);
    expect(messages.find((message) => message?.run.friendlyId === `run_${pinned}`)?.image).toBe(`release://${old.digest}`);
    await Promise.all(messages.map((message) => execute(message)));
  });

  it("85 a retry after a promotion stays on the version of the first attempt", async () => {
    const before = await f.deploy({ tasks: [{ id: "a", retry: { maxAttempts: 3 } }] });
    const runId = await trigger("a");
    const message = await poll();
    const { friendlyId } = message?.run ?? { friendlyId: "" };
    const started = await agent.startRunAttempt(friendlyId, message?.snapshot.friendlyId ?? "", {}, "r");
    if (!started.success) throw new Error(String(started.error));
    const after = await f.deploy({ tasks: [{ id: "a" }] });
    const retry = { timestamp: f.clock.now() + 40_000, delay: 40_000 };
    const completion = { ok: false, id: friendlyId, error: { type: "STRING_ERROR", raw: "no" }, retry } as const;
    expect(await agent.completeRunAttempt(friendlyId, started.data.snapshot.friendlyId, { completion })).toMatchObject({
      data: { result: { attemptStatus: "RETRY_QUEUED" } },
    });
    f.clock.advance(40_001);
    await f.app.engine.loops.timers.runOnce();
    const again = await poll();
    expect(again?.backgroundWorker.version).toBe(before.version);
    expect(after.version).not.toBe(before.version);
    await execute(again);
    expect(await detail(runId)).toMatchObject({ status: "COMPLETED_SUCCESSFULLY", versionId: before.workerId });
  });

  it("86 an external deployment id: waits for the deployment, runs on it whatever is current, and ends EXPIRED without it", async () => {
    const waiting = await trigger("a", { externalDeploymentId: "sha-1" });
    const never = await trigger("a", { externalDeploymentId: "sha-never" });
    expect(await detail(waiting)).toMatchObject({ state: "RUN_CREATED", status: "PENDING_VERSION" });
    expect(await poll(200)).toBeUndefined();
    const named = await f.deploy({ tasks: [{ id: "a" }], externalId: "sha-1", current: false });
    const message = await poll();
    expect(message).toMatchObject({ run: { friendlyId: `run_${waiting}` }, backgroundWorker: { version: named.version } });
    await execute(message);
    const known = await trigger("a", { externalDeploymentId: "sha-1" });
    expect(await detail(known)).toMatchObject({ state: "QUEUED", versionId: named.workerId });
    await execute(await poll());
    f.clock.advance(3_600_001);
    await f.app.engine.loops.timers.runOnce();
    const ended = await detail(never);
    expect(ended).toMatchObject({ status: "EXPIRED" });
    expect(ended?.result?.error).toContain("EXTERNAL_DEPLOYMENT_NOT_FOUND");
  });

  it("86 a delay of a run that waits for a deployment begins to count when it was asked for", async () => {
    const runId = await trigger("a", { externalDeploymentId: "sha-delayed", delay: new Date(f.clock.now() + 600_000).toISOString() });
    await f.deploy({ tasks: [{ id: "a" }], externalId: "sha-delayed", current: false });
    await expect.poll(async () => (await detail(runId))?.state).toBe("DELAYED");
    f.clock.advance(600_001);
    await f.app.engine.loops.timers.runOnce();
    const message = await poll();
    expect(message?.run.friendlyId).toBe(`run_${runId}`);
    await execute(message);
  });

  it("87 two promotions during a release of many waiting runs: none stuck, none doubled", async () => {
    const ids = await Promise.all(Array.from({ length: 60 }, () => trigger("mass")));
    const parked = async () => {
      const { body } = await agent.post<Message[]>("/engine/v1/worker-actions/dequeue", { maxRunCount: 20, waitMs: 50 });
      expect(body).toEqual([]);
      const found = await f.app.store.getLive(ids);
      return [...found.values()].filter((run) => run.status === "PENDING_VERSION").length;
    };
    await expect.poll(parked, { timeout: 20_000 }).toBe(ids.length);
    const one = await f.deploy({ tasks: [{ id: "mass" }], current: false });
    const two = await f.deploy({ tasks: [{ id: "mass" }], current: false });
    await f.promote(one);
    const releases = f.app.engine.promotePendingVersions(f.prod.id);
    await f.promote(two);
    await Promise.all([releases, f.app.engine.promotePendingVersions(f.prod.id)]);
    const seen: string[] = [];
    while (seen.length < ids.length) {
      const { body } = await agent.post<Message[]>("/engine/v1/worker-actions/dequeue", { maxRunCount: 20, waitMs: 5_000 });
      if (body.length === 0) break;
      for (const message of body) seen.push(message.run.friendlyId.slice(4));
      await Promise.all(body.map((message) => execute(message)));
    }
    expect(seen.sort()).toEqual(ids.sort());
  });

  it("88 a queue that the locked version lacks is a 422", async () => {
    const version = await f.deploy({ tasks: [{ id: "a" }] });
    const options = { lockToVersion: version.version, queue: { name: "nowhere" } };
    await expect(trigger("a", options)).rejects.toMatchObject({ status: 422, code: "unknown_queue" });
  });
});

describe("regions of runs", () => {
  it("a run goes to the region that it names; an unknown one is a 422", async () => {
    const eu = f.agent((await f.region("eu")).token);
    await eu.introduce();
    await f.deploy({ tasks: [{ id: "a" }], regions: { local: 1, eu: 1 } });
    const runId = await trigger("a", { region: "eu" });
    expect(await poll(200)).toBeUndefined();
    const message = await poll(5_000, eu);
    expect(message?.run.friendlyId).toBe(`run_${runId}`);
    await execute(message, eu);
    await expect(trigger("a", { region: "mars" })).rejects.toMatchObject({ status: 422, code: "unknown_region" });
  });

  it("a run whose version is only elsewhere moves there; one that named its region waits instead", async () => {
    const eu = f.agent((await f.region("eu")).token);
    const onlyEu = await f.deploy({ tasks: [{ id: "a" }], regions: { eu: 1 }, current: false });
    const free = await trigger("a", { lockToVersion: onlyEu.version });
    const bound = await trigger("a", { lockToVersion: onlyEu.version, region: "local" });
    await expect.poll(() => pollInVain(bound)).toMatchObject({ reason: expect.stringContaining('not in region "local"') });
    const message = await poll(5_000, eu);
    expect(message?.run.friendlyId).toBe(`run_${free}`);
    await execute(message, eu);
    await f.app.engine.cancel({ envId: f.prod.id, runId: bound });
  });

  it("B15 queued runs leave a region without an agent for a minute, unless they named it", async () => {
    await f.deploy({ tasks: [{ id: "a" }], regions: { local: 1, eu: 1 } });
    const eu = f.agent((await f.region("eu")).token);
    const free = await trigger("a");
    const bound = await trigger("a", { region: "local" });
    f.clock.advance(61_000);
    await eu.introduce();
    await f.app.regions.loop.runOnce();
    const message = await poll(5_000, eu);
    expect(message?.run.friendlyId).toBe(`run_${free}`);
    await execute(message, eu);
    expect(await detail(bound)).toMatchObject({ state: "QUEUED" });
    expect((await f.app.store.placeOf(bound))?.region).toBe("local");
    await agent.introduce();
    await execute(await poll());
  });
});
