import { randomUUID } from "node:crypto";
import { io, type Socket } from "socket.io-client";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createDeployedFixture, type DeployedFixture, type TestAgent, type TestDeployment } from "../../../test/deployedFixture";
import { mintId, snapshotId } from "../../utils/ids";

let f: DeployedFixture;
let agent: TestAgent;
let deployment: TestDeployment;
const sockets: Socket[] = [];

beforeAll(async () => {
  f = await createDeployedFixture();
  agent = f.agent((await f.region("local")).token);
  await agent.introduce();
  deployment = await f.deploy({
    tasks: [
      { id: "a", retry: { maxAttempts: 3 } },
      { id: "large", machine: { preset: "large-1x" } },
    ],
  });
});
afterEach(() => sockets.splice(0).forEach((socket) => socket.disconnect()));
afterAll(() => f.close());

const ACTIONS = "/engine/v1/worker-actions";
const done = { ok: true, id: "run_x", output: "1", outputType: "application/json" } as const;

async function trigger(task = "a", options: Record<string, unknown> = {}): Promise<string> {
  const env = await f.environment("prod");
  const context = { trace: { traceparent: null }, requestKey: randomUUID(), source: "api", realtimeStreamsVersion: "v1" } as never;
  const body = { payload: { n: 1 }, options };
  return (await f.app.runs.triggerTask.call({ env, task, body, context, oneTimeToken: null })).runId;
}

type Message = {
  run: { friendlyId: string; machine: { name: string }; masterQueue: string };
  snapshot: { friendlyId: string };
  image?: string;
  deployment: { id?: string; friendlyId?: string };
  backgroundWorker: { version: string };
  environment: { id: string; type: string };
};

/** Asks until there is a run, with core's client: what it answers has passed the client's own schema. */
async function take(from: TestAgent = agent): Promise<Message> {
  const end = Date.now() + 10_000;
  for (;;) {
    const answer = await from.dequeue({});
    if (!answer.success) throw new Error(String(answer.error));
    const [message] = answer.data;
    if (message) return message as unknown as Message;
    if (Date.now() > end) throw new Error("No run was handed out.");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function start(message: Message, from: TestAgent = agent, runnerId = "runner-1") {
  const answer = await from.startRunAttempt(message.run.friendlyId, message.snapshot.friendlyId, { isWarmStart: false }, runnerId);
  if (!answer.success) throw new Error(String(answer.error));
  return answer.data;
}

async function finish(message: Message, snapshot: string): Promise<void> {
  const answer = await agent.completeRunAttempt(message.run.friendlyId, snapshot, { completion: { ...done, id: message.run.friendlyId } });
  if (!answer.success) throw new Error(String(answer.error));
}

describe("the supervisor protocol", () => {
  it("connects, beats, dequeues, starts, beats, completes: with the client that upstream uses", async () => {
    const connected = await agent.connect({ metadata: {} });
    expect(connected).toMatchObject({ success: true, data: { ok: true, workerGroup: { type: "MANAGED", name: "local" } } });
    const beat = await agent.heartbeatWorker({ cpu: { used: 0, available: 1 }, memory: { used: 0, available: 1 }, tasks: [] });
    expect(beat).toMatchObject({ success: true, data: { ok: true } });
    const runId = await trigger();
    const message = await take();
    expect(message).toMatchObject({
      image: `release://${deployment.digest}`,
      deployment: { id: deployment.id, friendlyId: `deployment_${deployment.id}` },
      backgroundWorker: { version: deployment.version },
      environment: { id: f.prod.id, type: "PRODUCTION" },
      run: { friendlyId: `run_${runId}`, masterQueue: "local" },
    });
    const started = await start(message);
    expect(started.execution).toMatchObject({
      attempt: { number: 1 },
      run: { version: deployment.version },
      environment: { slug: "prod" },
    });
    const current = started.snapshot.friendlyId;
    expect(await agent.heartbeatRun(message.run.friendlyId, current, {})).toMatchObject({ success: true, data: { ok: true } });
    expect(await agent.getLatestSnapshot(message.run.friendlyId)).toMatchObject({
      success: true,
      data: { execution: { snapshot: { friendlyId: current } } },
    });
    const since = await agent.getSnapshotsSince(message.run.friendlyId, message.snapshot.friendlyId);
    expect(since).toMatchObject({ success: true, data: { snapshots: [{ snapshot: { friendlyId: current } }] } });
    const goOn = await agent.continueRunExecution(message.run.friendlyId, current);
    expect(goOn).toMatchObject({ success: true, data: { snapshot: { friendlyId: current } } });
    await finish(message, current);
    expect(await f.app.store.getRun(f.prod.id, runId)).toMatchObject({ status: "COMPLETED_SUCCESSFULLY", versionId: deployment.workerId });
  });

  it("gives a deployed attempt what its process needs to call back, and the user's variables, but no version to lock its children to", async () => {
    await f.app.environments.variableStore.import({
      envId: f.prod.id,
      variables: new Map([["MINE", "yes"]]),
      override: true,
      isSecret: false,
    });
    await trigger();
    const message = await take();
    const { envVars, snapshot } = await start(message);
    expect(envVars).toMatchObject({
      MINE: "yes",
      TRIGGER_API_URL: f.app.config.origin,
      TRIGGER_SECRET_KEY: f.prod.secretKey,
      TRIGGER_ORG_ID: f.prod.organization.id,
      TRIGGER_STREAM_URL: f.app.config.origin,
    });
    expect(envVars.OTEL_EXPORTER_OTLP_ENDPOINT).toContain("/otel/");
    expect(envVars).not.toHaveProperty("TRIGGER_VERSION");
    await finish(message, snapshot.friendlyId);
  });

  it("answers a repeated start of the same runner with the same attempt, and refuses another runner", async () => {
    await trigger();
    const message = await take();
    const first = await start(message, agent, "runner-a");
    const again = await start(message, agent, "runner-a");
    expect(again.snapshot.friendlyId).toBe(first.snapshot.friendlyId);
    const other = await agent.startRunAttempt(message.run.friendlyId, message.snapshot.friendlyId, {}, "runner-b");
    expect(other).toMatchObject({ success: false, statusCode: 409 });
    await finish(message, first.snapshot.friendlyId);
  });

  it("holds a dequeue that asks for it until there is a run, and answers others at once", async () => {
    expect(await agent.post<unknown[]>(`${ACTIONS}/dequeue`, {})).toEqual({ status: 200, body: [] });
    const held = agent.post<Message[]>(`${ACTIONS}/dequeue`, { waitMs: 15_000 });
    const runId = await trigger();
    const [message] = (await held).body;
    expect(message?.run.friendlyId).toBe(`run_${runId}`);
    if (message) await finish(message, (await start(message)).snapshot.friendlyId);
  });

  it("answers several runs at once when asked, none twice", async () => {
    const ids = await Promise.all(Array.from({ length: 7 }, () => trigger()));
    const seen: string[] = [];
    while (seen.length < ids.length) {
      const { body } = await agent.post<Message[]>(`${ACTIONS}/dequeue`, { maxRunCount: 5, waitMs: 5_000 });
      expect(body.length).toBeLessThanOrEqual(5);
      for (const message of body) {
        seen.push(message.run.friendlyId.slice(4));
        await finish(message, (await start(message)).snapshot.friendlyId);
      }
    }
    expect(seen.sort()).toEqual(ids.sort());
  });

  it("gives a run back whose machine is larger than the agent has room for", async () => {
    const runId = await trigger("large");
    const small = { maxResources: { cpu: 1, memory: 1 }, waitMs: 2_000 };
    expect((await agent.post<Message[]>(`${ACTIONS}/dequeue`, small)).body).toEqual([]);
    expect(await f.app.store.getRun(f.prod.id, runId)).toMatchObject({ state: "QUEUED" });
    const message = await take();
    expect(message.run).toMatchObject({ friendlyId: `run_${runId}`, machine: { name: "large-1x" } });
    await finish(message, (await start(message)).snapshot.friendlyId);
  });

  it("queues a run again that the agent gives back unstarted", async () => {
    const runId = await trigger();
    const message = await take();
    const released = await agent.releaseRun(message.run.friendlyId, message.snapshot.friendlyId, { reason: "no replica" });
    expect(released).toMatchObject({ success: true, data: { ok: true, requeued: true } });
    expect(await agent.releaseRun(message.run.friendlyId, message.snapshot.friendlyId, { reason: "again" })).toMatchObject({
      success: true,
      data: { requeued: false },
    });
    f.clock.advance(2_000);
    await f.app.engine.loops.timers.runOnce();
    const again = await take();
    expect(again.run.friendlyId).toBe(`run_${runId}`);
    await finish(again, (await start(again)).snapshot.friendlyId);
  });

  it("forceRequeue sends a retry through the queue, for a process that is gone", async () => {
    await trigger();
    const message = await take();
    const { snapshot } = await start(message);
    const error = { type: "INTERNAL_ERROR", code: "TASK_PROCESS_EXITED_WITH_NON_ZERO_CODE", message: "137" } as const;
    const retry = { timestamp: f.clock.now() + 100, delay: 100 };
    const completion = { ok: false, id: message.run.friendlyId, error, retry } as const;
    const answer = await agent.completeRunAttempt(message.run.friendlyId, snapshot.friendlyId, { completion, forceRequeue: true });
    expect(answer).toMatchObject({ success: true, data: { result: { attemptStatus: "RETRY_QUEUED" } } });
    f.clock.advance(1_000);
    await f.app.engine.loops.timers.runOnce();
    const again = await take();
    const second = await start(again);
    expect(second.execution.attempt.number).toBe(2);
    await finish(again, second.snapshot.friendlyId);
  });

  it("refuses to suspend: processes wait in memory", async () => {
    await trigger();
    const message = await take();
    const { snapshot } = await start(message);
    const target = `${ACTIONS}/runs/${message.run.friendlyId}/snapshots/${snapshot.friendlyId}/suspend`;
    for (const answer of [await agent.get(target), await agent.post(target, { success: false, error: "x" })]) {
      expect(answer).toMatchObject({ status: 200, body: { ok: false, error: expect.any(String) as string } });
    }
    await finish(message, snapshot.friendlyId);
  });

  it("a deployed attempt that goes silent is queued again", async () => {
    const runId = await trigger();
    const message = await take();
    await start(message);
    f.clock.advance(300_001);
    await f.app.engine.onOverdue([runId]);
    f.clock.advance(1_000);
    await f.app.engine.loops.timers.runOnce();
    const again = await take();
    expect(again.run.friendlyId).toBe(`run_${runId}`);
    await finish(again, (await start(again)).snapshot.friendlyId);
  });
});

describe("who may do what", () => {
  it("answers 401 without a good token, 400 without an instance name, and 401 within a second of a revocation", async () => {
    const { id, token } = await f.region("short");
    const stranger = f.agent("tr_wgt_0123456789abcdef0123");
    expect((await stranger.post(`${ACTIONS}/dequeue`, {})).status).toBe(401);
    expect(
      (await fetch(`${f.url}${ACTIONS}/dequeue`, { method: "POST", headers: { authorization: `Bearer ${f.prod.secretKey}` } })).status
    ).toBe(401);
    const nameless = await fetch(`${f.url}${ACTIONS}/heartbeat`, { method: "POST", headers: { authorization: `Bearer ${token}` } });
    expect(nameless.status).toBe(400);
    const mine = f.agent(token);
    await mine.introduce();
    expect((await mine.post(`${ACTIONS}/heartbeat`, {})).status).toBe(200);
    const [shown] = await f.app.regions.tokens.list(id);
    await f.app.regions.tokens.revoke(shown?.id ?? "");
    f.clock.advance(1_001);
    expect((await mine.post(`${ACTIONS}/heartbeat`, {})).status).toBe(401);
  });

  it("an agent that has not introduced itself is told to", async () => {
    const { token } = await f.region("shy");
    const answer = await f.agent(token, "unheard-of").post<{ error: string }>(`${ACTIONS}/heartbeat`, {});
    expect(answer).toMatchObject({ status: 404 });
    expect(answer.body.error).toContain("connect");
  });

  it("B8 runs of another region, of dev, and of nobody look like none", async () => {
    const foreign = f.agent((await f.region("eu")).token);
    await foreign.introduce();
    await trigger();
    expect((await foreign.post<unknown[]>(`${ACTIONS}/dequeue`, { waitMs: 100 })).body).toEqual([]);
    const message = await take();
    const { snapshot } = await start(message);
    const nobody = mintId(f.clock.now());
    const targets = [
      { run: message.run.friendlyId, snapshot: snapshot.friendlyId },
      { run: `run_${nobody}`, snapshot: snapshotId(nobody, 1) },
    ];
    for (const { run, snapshot: at } of targets) {
      const base = `${ACTIONS}/runs/${run}/snapshots`;
      const calls = [
        foreign.post(`${base}/${at}/attempts/start`, {}),
        foreign.post(`${base}/${at}/attempts/complete`, { completion: done }),
        foreign.post(`${base}/${at}/heartbeat`, {}),
        foreign.post(`${base}/${at}/release`, { reason: "x" }),
        foreign.get(`${base}/${at}/continue`),
        foreign.get(`${base}/${at}/suspend`),
        foreign.get(`${base}/since/${at}`),
        foreign.get(`${base}/latest`),
      ];
      expect((await Promise.all(calls)).map((answer) => answer.status)).toEqual(calls.map(() => 404));
    }
    await finish(message, snapshot.friendlyId);
  });

  it("two agents of one region share its runs, none runs twice, either may complete", async () => {
    const second = f.agent((await f.region("local")).token, "two");
    await second.introduce();
    const ids = await Promise.all(Array.from({ length: 10 }, () => trigger()));
    const drain = async (from: TestAgent): Promise<string[]> => {
      const mine: string[] = [];
      for (;;) {
        const { body } = await from.post<Message[]>(`${ACTIONS}/dequeue`, { waitMs: 500 });
        const [message] = body;
        if (!message) return mine;
        await finish(message, (await start(message, from)).snapshot.friendlyId);
        mine.push(message.run.friendlyId.slice(4));
      }
    };
    const [one, two] = await Promise.all([drain(agent), drain(second)]);
    expect([...one, ...two].sort()).toEqual(ids.sort());
  });
});

describe("notices", () => {
  function connect(headers: Record<string, string>): Socket {
    const socket = io(`${f.url}/worker`, { transports: ["websocket"], reconnection: false, extraHeaders: headers });
    sockets.push(socket);
    return socket;
  }

  it("tells an agent of a cancel of a run that it follows, and no agent of another region", async () => {
    const runId = await trigger();
    const message = await take();
    const { snapshot } = await start(message);
    const foreign = f.agent((await f.region("eu")).token);
    const heard: Record<string, unknown[]> = { mine: [], foreign: [] };
    for (const [name, from] of [
      ["mine", agent],
      ["foreign", foreign],
    ] as const) {
      const socket = connect(from.headers);
      socket.on("run:notify", (notice) => heard[name]?.push(notice));
      await new Promise<void>((resolve, reject) => {
        socket.on("connect", resolve);
        socket.on("connect_error", reject);
      });
      socket.emit("run:subscribe", { version: "1", runFriendlyIds: [`run_${runId}`, `run_${mintId(1)}`] });
    }
    await expect.poll(async () => (await f.services.redis.pubsub("NUMSUB", `sluice:feed:${f.prod.id}`))[1]).toBe(1);
    await f.app.engine.cancel({ envId: f.prod.id, runId });
    await expect.poll(() => heard.mine?.length, { timeout: 5_000 }).toBe(4);
    expect(heard.mine?.[0]).toEqual({ version: "1", run: { friendlyId: `run_${runId}` } });
    expect(heard.foreign).toEqual([]);
    await finish(message, snapshot.friendlyId);
  });

  it("refuses a socket without a token of an agent", async () => {
    const socket = connect({ authorization: `Bearer ${f.prod.secretKey}` });
    const error = await new Promise<Error>((resolve) => socket.on("connect_error", resolve));
    expect(error.message).toBe("unauthorized");
  });
});
