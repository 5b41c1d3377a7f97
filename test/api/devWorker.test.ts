/** The dev worker protocol over its routes, against real stores. */
import { DevConfigResponseBody, DevDequeueResponseBody } from "@trigger.dev/core/v3/schemas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as registerRoute from "../../app/routes/api.v1.projects.$projectRef.background-workers";
import * as triggerRoute from "../../app/routes/api.v1.tasks.$taskId.trigger";
import * as configRoute from "../../app/routes/engine.v1.dev.config";
import * as dequeueRoute from "../../app/routes/engine.v1.dev.dequeue";
import * as disconnectRoute from "../../app/routes/engine.v1.dev.disconnect";
import * as debugRoute from "../../app/routes/engine.v1.dev.runs.$runId.logs.debug";
import * as completeRoute from "../../app/routes/engine.v1.dev.runs.$runId.snapshots.$snapshotId.attempts.complete";
import * as startRoute from "../../app/routes/engine.v1.dev.runs.$runId.snapshots.$snapshotId.attempts.start";
import * as heartbeatRoute from "../../app/routes/engine.v1.dev.runs.$runId.snapshots.$snapshotId.heartbeat";
import * as latestRoute from "../../app/routes/engine.v1.dev.runs.$runId.snapshots.latest";
import * as sinceRoute from "../../app/routes/engine.v1.dev.runs.$runId.snapshots.since.$snapshotId";
import { workerBody } from "../engineFixture";
import { createTestServices, type TestServices } from "../services";
import { callRoute, createTestApp, type ApiCall, type TestApp } from "../testApp";

let services: TestServices;
let app: TestApp;
let key: string;
let workerId: string;

beforeAll(async () => {
  services = await createTestServices();
  app = await createTestApp(services);
  key = app.credentials.environments.dev.secretKey;
  const params = { projectRef: app.credentials.projectRef };
  const answer = await callRoute<{ id: string }>(registerRoute, { token: key, params, body: workerBody([{ id: "hello" }], "one") });
  expect(answer.status).toBe(200);
  workerId = answer.body.id;
});
afterAll(async () => {
  await app.close();
  await services.close();
});

type Snapshot = { friendlyId: string; executionStatus: string };
type Message = { run: { friendlyId: string }; snapshot: Snapshot };

async function dequeued(): Promise<{ runId: string; snapshotId: string }> {
  const answer = await callRoute<{ id: string }>(triggerRoute, { token: key, params: { taskId: "hello" }, body: { payload: { n: 1 } } });
  expect(answer.status).toBe(200);
  const poll = await callRoute<{ dequeuedMessages: Message[] }>(dequeueRoute, { token: key, body: { currentWorker: workerId } });
  expect(DevDequeueResponseBody.safeParse(poll.body).error).toBeUndefined();
  const message = poll.body.dequeuedMessages[0];
  if (!message) throw new Error("nothing dequeued");
  expect(message.run.friendlyId).toBe(answer.body.id);
  return { runId: message.run.friendlyId, snapshotId: message.snapshot.friendlyId };
}

const call = <T>(route: Parameters<typeof callRoute>[0], over: ApiCall) =>
  callRoute<T & { error?: string }>(route, { token: key, ...over });

describe("a dev session", () => {
  test("runs a triggered task from poll to result", async () => {
    const config = await call<unknown>(configRoute, { method: "GET" });
    expect(DevConfigResponseBody.parse(config.body).maxConcurrentRuns).toBeGreaterThanOrEqual(25);
    const params = await dequeued();
    const started = await call<{ snapshot: Snapshot; execution: { run: { payload: string } } }>(startRoute, {
      params,
      body: { isWarmStart: false },
    });
    expect(started.body.execution.run.payload).toBe('{"n":1}');
    const attempt = { runId: params.runId, snapshotId: started.body.snapshot.friendlyId };
    expect((await call<unknown>(heartbeatRoute, { params: attempt, body: { cpu: 0, memory: 0 } })).body).toEqual({ ok: true });
    const log = { time: new Date().toISOString(), message: "snapshot change: EXECUTING", properties: { a: 1 } };
    expect((await call<unknown>(debugRoute, { params: attempt, body: log })).status).toBe(204);
    const latest = await call<{ execution: { snapshot: Snapshot } }>(latestRoute, { params: attempt, method: "GET" });
    expect(latest.body.execution.snapshot).toMatchObject({ friendlyId: attempt.snapshotId, executionStatus: "EXECUTING" });
    const since = await call<{ snapshots: unknown[] }>(sinceRoute, { params, method: "GET" });
    expect(since.body.snapshots).toHaveLength(1);
    const completion = { ok: true, id: params.runId, output: "42", outputType: "application/json", usage: { durationMs: 1.5 } };
    const done = await call<{ result: { attemptStatus: string } }>(completeRoute, { params: attempt, body: { completion } });
    expect(done.body.result).toMatchObject({ attemptStatus: "RUN_FINISHED", run: { status: "COMPLETED_SUCCESSFULLY", attemptNumber: 1 } });
  });

  test("ends its runs when the CLI goes", async () => {
    const params = await dequeued();
    await call(startRoute, { params, body: {} });
    const answer = await call<{ cancelled: number }>(disconnectRoute, { body: { runFriendlyIds: [params.runId] } });
    expect(answer.body).toEqual({ cancelled: 1 });
  });
});

describe("bad input is refused with a reason and changes nothing", () => {
  test.each([
    ["no key", undefined, 401],
    ["a key of nobody", "tr_dev_000000000000000000000000", 401],
  ])("%s", async (_name, token, status) => {
    const answer = await callRoute<{ error: string }>(dequeueRoute, {
      ...(token === undefined ? {} : { token }),
      body: { currentWorker: workerId },
    });
    expect(answer.status).toBe(status);
    expect(answer.body.error).toBeTruthy();
  });

  test("bodies that are not what they should be", async () => {
    const params = await dequeued();
    const bad: [Parameters<typeof callRoute>[0], unknown][] = [
      [dequeueRoute, {}],
      [dequeueRoute, { currentWorker: 7 }],
      [dequeueRoute, { currentWorker: "x".repeat(1_000) }],
      [disconnectRoute, { runFriendlyIds: "all" }],
      [disconnectRoute, undefined],
      [completeRoute, {}],
      [completeRoute, { completion: { ok: "yes" } }],
      [completeRoute, { completion: { ok: false, error: { type: "NOPE" } } }],
      [debugRoute, { message: 5 }],
    ];
    for (const [route, body] of bad) {
      const answer = await call<unknown>(route, { params, body });
      expect(answer.status, JSON.stringify(body)).toBe(400);
      expect(answer.body.error).toBeTruthy();
    }
    const env = await app.environment("dev");
    const run = await app.app.store.getRun(env.id, params.runId.slice("run_".length));
    expect(run).toMatchObject({ state: "PENDING_EXECUTING", attempt: 0 });
    await app.app.engine.cancel({ envId: env.id, runId: params.runId.slice("run_".length) });
  });

  test("a snapshot of another attempt is refused for good, another environment's run is not found", async () => {
    const params = await dequeued();
    await call(startRoute, { params, body: {} });
    const again = await call<unknown>(startRoute, { params, body: {} });
    expect(again.status).toBe(409);
    expect(again.headers.get("x-should-retry")).toBe("false");
    const token = app.credentials.environments.prod.secretKey;
    for (const route of [startRoute, completeRoute, heartbeatRoute]) {
      const body = { completion: { ok: true, outputType: "application/json" } };
      expect((await call<unknown>(route, { token, params, body })).status).toBe(404);
    }
    expect((await call<unknown>(latestRoute, { token, params, method: "GET" })).status).toBe(404);
    expect((await call<unknown>(disconnectRoute, { token, body: { runFriendlyIds: [params.runId] } })).status).toBe(400);
  });

  test("a project of somebody else", async () => {
    const answer = await call<unknown>(registerRoute, { params: { projectRef: "proj_nobody" }, body: workerBody([], "x") });
    expect(answer.status).toBe(404);
    expect(answer.body.error).toBe("Project not found");
  });
});
