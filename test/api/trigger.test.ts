/** Triggering over the route, against real stores. */
import { TriggerTaskResponse } from "@trigger.dev/core/v3/schemas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as retrieveRoute from "../../app/routes/api.v3.runs.$runId";
import * as triggerRoute from "../../app/routes/api.v1.tasks.$taskId.trigger";
import * as resetRoute from "../../app/routes/api.v1.idempotencyKeys.$key.reset";
import { parseFriendlyId } from "../../app/utils/ids";
import { createTestServices, type TestServices } from "../services";
import { callRoute, createTestApp, type ApiCall, type TestApp } from "../testApp";

let services: TestServices;
let test_: TestApp;
let key: string;

beforeAll(async () => {
  services = await createTestServices();
  test_ = await createTestApp(services);
  key = test_.credentials.environments.dev.secretKey;
});
afterAll(async () => {
  await test_.close();
  await services.close();
});

function trigger(task: string, body: unknown, call: ApiCall = {}) {
  return callRoute<{ id: string; isCached: boolean; error?: string }>(triggerRoute, {
    token: key,
    ...call,
    params: { taskId: task },
    body,
  });
}

async function stored(friendly: string | undefined) {
  if (friendly === undefined)
    throw new Error(
      `The trigger was refused: ${JSON.stringify(test_.lines.findLast(({ event }) => event === "request.refused" || event === "request.failed"))}`
    );
  const env = await test_.environment("dev");
  const run = await test_.app.store.getRun(env.id, parseFriendlyId("run", friendly) ?? "");
  if (!run) throw new Error(`${friendly} was not stored.`);
  return run;
}

describe("a trigger", () => {
  test("is committed before the answer, verbatim, in the task's implicit queue, with the dev default TTL", async () => {
    const payload = '{"json":{"n":21}}';
    const answer = await trigger("folder/send email", { payload, options: { payloadType: "application/super+json", payloadSize: 17 } });
    expect(answer.status).toBe(200);
    expect(TriggerTaskResponse.parse(answer.body)).toEqual({ id: expect.stringMatching(/^run_[0-9a-v]{25}$/), isCached: false });
    expect(JSON.parse(answer.headers.get("x-trigger-jwt-claims") ?? "{}")).toEqual({
      sub: test_.credentials.environments.dev.id,
      pub: true,
    });
    const run = await stored(answer.body.id);
    expect(run).toMatchObject({ status: "PENDING", state: "QUEUED", seq: 1 });
    expect(run.header).toMatchObject({
      payload,
      payloadType: "application/super+json",
      queue: "task/foldersendemail".replace("folder", "folder/"),
    });
    expect(run.header.options).toMatchObject({ ttl: "10m", ttlSeconds: 600 });
    expect(run.dueAt?.getTime()).toBeGreaterThan(run.header.createdAt.getTime() + 590_000);
  });

  test("keeps its options", async () => {
    const { body } = await trigger("options", {
      payload: { n: 1 },
      options: {
        queue: { name: "my queue!" },
        concurrencyKey: 7,
        tags: ["a", "b", "a"],
        priority: 5,
        machine: "micro",
        maxAttempts: 4,
        maxDuration: 1,
        metadata: { step: 1 },
        test: true,
        ttl: 0,
        idempotencyKey: "f".repeat(64),
        idempotencyKeyOptions: { key: "order-1", scope: "global" },
      },
    });
    const run = await stored(body.id);
    expect(run.header).toMatchObject({
      payload: '{"n":1}',
      payloadType: "application/json",
      queue: "myqueue",
      concurrencyKey: "7",
      tags: ["a", "b"],
      isTest: true,
      idempotencyKey: "f".repeat(64),
    });
    expect(run.header.options).toMatchObject({ priority: 5, machine: "micro", maxAttempts: 4, maxDuration: 5 });
    expect(run.header.options).not.toHaveProperty("ttl");
    expect(run.dueAt).toBeNull();
    expect(JSON.parse(run.metadata ?? "")).toEqual({ step: 1 });
  });

  test("with a delay is DELAYED until then, and one in the past runs now (tests 67, 69)", async () => {
    const delayed = await stored((await trigger("delayed", { options: { delay: "1h", ttl: "5m" } })).body.id);
    expect(delayed).toMatchObject({ status: "DELAYED", state: "DELAYED" });
    expect((delayed.dueAt?.getTime() ?? 0) - delayed.header.createdAt.getTime()).toBe(3_600_000);
    const past = await stored((await trigger("delayed", { options: { delay: "2020-01-01T00:00:00Z" } })).body.id);
    expect(past).toMatchObject({ status: "PENDING", state: "QUEUED" });
  });

  test("from inside a task joins its trace and its tree", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const parent = (await trigger("parent", {})).body.id;
    const headers = { traceparent, "x-trigger-worker": "true" };
    const child = await stored((await trigger("child", { options: { parentRunId: parent } }, { headers })).body.id);
    const parentId = parseFriendlyId("run", parent);
    expect(child.header).toMatchObject({
      parentId,
      rootId: parentId,
      depth: 1,
      traceId: traceparent.slice(3, 35),
      parentSpanId: "b7ad6b7169203331",
    });
    const grandchild = await trigger("child", { options: { parentRunId: `run_${child.header.id}` } });
    expect((await stored(grandchild.body.id)).header).toMatchObject({ parentId: child.header.id, rootId: parentId, depth: 2 });
  });

  test("over 512 KB keeps its payload in the packet store, readable by its link (test 142)", async () => {
    const text = "x".repeat(600 * 1024);
    const { body } = await trigger("large", { payload: text, options: { payloadType: "text/plain" } });
    const run = await stored(body.id);
    expect(run.header.payloadType).toBe("application/store");
    const packet = await test_.app.runs.packets.read(run.header.envId, run.header.payload ?? "");
    expect(packet?.contentType).toBe("text/plain");
    expect(await new Response(packet?.body).text()).toBe(text);
    const shown = await callRoute(retrieveRoute, { token: key, params: { runId: body.id } });
    expect(shown.body).toHaveProperty("payloadPresignedUrl");
    expect(shown.body).not.toHaveProperty("payload");
  });

  test("of a task that no worker knows is accepted", async () => {
    expect((await trigger("never-registered", {})).status).toBe(200);
  });

  test("is offered to the queue index", async () => {
    const env = await test_.environment("dev");
    await trigger("offered", {});
    await expect.poll(async () => (await test_.app.index.queueCounts(env.id, ["task/offered"])).get("task/offered")?.queued).toBe(1);
  });
});

describe("idempotency", () => {
  test("a key answers the same run for its task and environment only (tests 129, 133)", async () => {
    const idempotencyKey = "k".repeat(2_048);
    const body = { options: { idempotencyKey } };
    const answers = await Promise.all(Array.from({ length: 50 }, () => trigger("keyed", body)));
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
    expect(answers.filter((answer) => !answer.body.isCached)).toHaveLength(1);
    const id = answers[0]?.body.id;
    expect((await trigger("other-task", body)).body).toMatchObject({ isCached: false });
    const elsewhere = await trigger("keyed", body, { token: test_.credentials.environments.prod.secretKey });
    expect(elsewhere.body).toMatchObject({ isCached: false });
    expect(elsewhere.body.id).not.toBe(id);
  });

  test("a reset frees it, and an unknown key is a 404 (test 132)", async () => {
    const first = await trigger("resettable", { options: { idempotencyKey: "one" } });
    const reset = (name: string) => callRoute(resetRoute, { token: key, params: { key: name }, body: { taskIdentifier: "resettable" } });
    expect(await reset("one")).toMatchObject({ status: 200, body: { id: "one" } });
    expect((await reset("one")).status).toBe(404);
    expect((await reset("two")).status).toBe(404);
    const second = await trigger("resettable", { options: { idempotencyKey: "one" } });
    expect(second.body).toMatchObject({ isCached: false });
    expect(second.body.id).not.toBe(first.body.id);
  });

  test("an expired key makes a new run (test 130)", async () => {
    const body = { options: { idempotencyKey: "short", idempotencyKeyTTL: "1s" } };
    const first = await trigger("expiring", body);
    await expect.poll(async () => (await trigger("expiring", body)).body.id, { timeout: 5_000 }).not.toBe(first.body.id);
  });

  test("plain HTTP callers may send the key in headers", async () => {
    const headers = { "idempotency-key": "from-header", "idempotency-key-ttl": "5m" };
    const first = await trigger("header-key", {}, { headers });
    expect((await trigger("header-key", {}, { headers })).body).toEqual({ id: first.body.id, isCached: true });
    expect((await trigger("header-key", {}, { headers: { "idempotency-key": "k".repeat(2_049) } })).status).toBe(400);
  });

  test("a repeated request answers the first run (test 134)", async () => {
    const headers = { "x-trigger-request-idempotency-key": "9f6c7f0e-7a4e-4b7e-9a53-0e5d1c6b7a10" };
    const [first, ...repeats] = await Promise.all(Array.from({ length: 10 }, () => trigger("repeated", { payload: 1 }, { headers })));
    for (const repeat of repeats) expect(repeat.body.id).toBe(first?.body.id);
    expect((await trigger("repeated", { payload: 1 }, { headers })).body.id).toBe(first?.body.id);
    expect((await trigger("another-task", {}, { headers })).body.id).not.toBe(first?.body.id);
  });
});

describe("versions", () => {
  test("an unknown one is refused", async () => {
    const answer = await trigger("pinned", { options: { lockToVersion: "20200101.1" } });
    expect(answer).toMatchObject({ status: 422, body: { error: expect.stringContaining("20200101.1") } });
  });

  test("the current worker's queue and TTL apply, and a pinned one must have task and queue", async () => {
    const env = await test_.environment("dev");
    const worker = await test_.app.environments.registerWorkerVersion({ envId: env.id, body: manifest() });
    await expect.poll(async () => (await test_.environment("dev")).currentWorkerId).toBe(worker.id);
    const current = await stored((await trigger("mailer", {})).body.id);
    expect(current.header).toMatchObject({ queue: "mail" });
    expect(current.header.options).toMatchObject({ ttl: "30s", ttlSeconds: 30 });
    const pinned = await stored((await trigger("mailer", { options: { lockToVersion: worker.version } })).body.id);
    expect(pinned.versionId).toBe(worker.id);
    expect((await trigger("unknown", { options: { lockToVersion: worker.version } })).status).toBe(422);
    expect((await trigger("mailer", { options: { lockToVersion: worker.version, queue: { name: "fast" } } })).status).toBe(422);
  });
});

function manifest() {
  return {
    localOnly: true,
    engine: "V2" as const,
    metadata: {
      packageVersion: "4.8.3",
      cliPackageVersion: "4.8.3",
      contentHash: "hash-1",
      tasks: [{ id: "mailer", filePath: "src/trigger/mail.ts", entryPoint: "src/trigger/mail.ts", queue: { name: "mail" }, ttl: "30s" }],
      queues: [{ name: "mail", concurrencyLimit: 2 }],
      sourceFiles: [],
    },
  };
}
