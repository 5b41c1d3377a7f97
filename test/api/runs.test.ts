/** Reads and actions of the runs API, against real stores. */
import { ListRunResponse, RetrieveRunResponse, UpdateMetadataResponseBody } from "@trigger.dev/core/v3/schemas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as listRoute from "../../app/routes/api.v1.runs._index";
import * as metadataRoute from "../../app/routes/api.v1.runs.$runId.metadata";
import * as packetKindRoute from "../../app/routes/api.v1.runs.$runId.packets.$kind";
import * as replayRoute from "../../app/routes/api.v1.runs.$runId.replay";
import * as rescheduleRoute from "../../app/routes/api.v1.runs.$runId.reschedule";
import * as resultRoute from "../../app/routes/api.v1.runs.$runId.result";
import * as tagsRoute from "../../app/routes/api.v1.runs.$runId.tags";
import * as projectRunsRoute from "../../app/routes/api.v1.projects.$projectRef.runs";
import * as triggerRoute from "../../app/routes/api.v1.tasks.$taskId.trigger";
import * as cancelRoute from "../../app/routes/api.v2.runs.$runId.cancel";
import * as retrieveRoute from "../../app/routes/api.v3.runs.$runId";
import { createTestServices, type TestServices } from "../services";
import { callRoute, createTestApp, type ApiCall, type TestApp } from "../testApp";

type Listed = {
  data: { id: string; env: { id: string; name: string } }[];
  pagination: { next?: string; previous?: string };
  error?: string;
};

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

async function trigger(task: string, body: object = {}, token = key): Promise<string> {
  const answer = await callRoute<{ id: string }>(triggerRoute, { token, params: { taskId: task }, body });
  expect(answer.status).toBe(200);
  return answer.body.id;
}
function on(route: object, runId: string, call: ApiCall = {}) {
  return callRoute(route, { token: key, params: { runId }, ...call });
}
async function list(query: Record<string, string>, call: ApiCall = {}) {
  const answer = await callRoute<Listed>(listRoute, { token: key, query: `?${new URLSearchParams(query).toString()}`, ...call });
  if (answer.status === 200) ListRunResponse.parse(answer.body);
  return answer;
}
const ids = (answer: { body: Listed }) => answer.body.data.map((run) => run.id);

describe("retrieve", () => {
  test("shows decoded payload, tree and flags in the clients' schema", async () => {
    const parent = await trigger("parent", {
      payload: '{"json":{"at":"2026-11-21T10:00:00.000Z"},"meta":{"values":{"at":["Date"]}}}',
      options: { payloadType: "application/super+json", tags: ["x"], metadata: { a: 1 } },
    });
    const child = await trigger("child", { options: { parentRunId: parent } });
    const shown = await on(retrieveRoute, parent);
    expect(RetrieveRunResponse.safeParse(shown.body).error).toBeUndefined();
    expect(shown.body).toMatchObject({
      id: parent,
      status: "QUEUED",
      payload: { at: "2026-11-21T10:00:00.000Z" },
      metadata: { a: 1 },
      depth: 0,
      triggerFunction: "trigger",
      attemptCount: 0,
      relatedRuns: { children: [{ id: child, depth: 1 }] },
    });
    expect((await on(retrieveRoute, child)).body).toMatchObject({ relatedRuns: { root: { id: parent }, parent: { id: parent } } });
  });

  test("unknown runs, and those of another environment, are the same 404", async () => {
    const elsewhere = await trigger("other", {}, test_.credentials.environments.prod.secretKey);
    for (const id of [elsewhere, "run_c1k7uoo068kfob3hcosgp1s3c", "run_nonsense", "", "__proto__", "run_\0"]) {
      for (const route of [retrieveRoute, resultRoute]) {
        expect(await on(route, id)).toMatchObject({ status: 404, body: { error: "Run not found" } });
      }
      for (const route of [cancelRoute, replayRoute]) {
        expect(await on(route, id, { method: "POST" })).toMatchObject({ status: 404, body: { error: "Run not found" } });
      }
      expect((await on(tagsRoute, id, { body: { tags: "a" } })).status).toBe(404);
      expect((await on(metadataRoute, id)).status).toBe(404);
      expect((await on(metadataRoute, id, { method: "PUT", body: { metadata: {} } })).status).toBe(404);
      expect((await on(rescheduleRoute, id, { body: { delay: "1h" } })).status).toBe(404);
    }
  });
});

describe("cancel", () => {
  test("finishes a queued run, and again is still a 200", async () => {
    const id = await trigger("cancelled");
    expect(await on(resultRoute, id)).toMatchObject({ status: 404 });
    expect(await on(cancelRoute, id, { method: "POST" })).toMatchObject({ status: 200, body: { id } });
    expect(await on(cancelRoute, id, { method: "POST" })).toMatchObject({ status: 200, body: { id } });
    expect((await on(retrieveRoute, id)).body).toMatchObject({
      status: "CANCELED",
      isCancelled: true,
      isCompleted: true,
      finishedAt: expect.any(String),
    });
    expect(await on(resultRoute, id)).toMatchObject({ status: 200, body: { ok: false, id, error: expect.anything() } });
  });

  test("keeps the idempotency key (test 131)", async () => {
    const body = { options: { idempotencyKey: "cancelled-key" } };
    const id = await trigger("cancelled-keyed", body);
    await on(cancelRoute, id, { method: "POST" });
    expect(await trigger("cancelled-keyed", body)).toBe(id);
  });
});

describe("replay", () => {
  test("repeats payload, queue, tags and metadata; the body overrides them", async () => {
    const original = await trigger("replayed", {
      payload: { n: 1 },
      options: { tags: ["t"], queue: { name: "q" }, metadata: { m: 1 }, machine: "micro" },
    });
    const same = await on(replayRoute, original, { method: "POST" });
    expect(same).toMatchObject({ status: 200, body: { id: expect.stringMatching(/^run_/) } });
    expect(same.body["id"]).not.toBe(original);
    expect((await on(retrieveRoute, String(same.body["id"]))).body).toMatchObject({
      payload: { n: 1 },
      tags: ["t"],
      metadata: { m: 1 },
      taskIdentifier: "replayed",
    });
    const other = await on(replayRoute, original, {
      body: { payload: '{"json":2}', payloadType: "application/super+json", tags: "u", metadata: { m: 2 } },
    });
    expect((await on(retrieveRoute, String(other.body["id"]))).body).toMatchObject({ payload: 2, tags: ["u"], metadata: { m: 2 } });
  });

  test("refuses unknown fields and a version that does not exist", async () => {
    const id = await trigger("replayed");
    expect(await on(replayRoute, id, { body: { payloads: 1 } })).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining("payloads") },
    });
    expect((await on(replayRoute, id, { body: { payload: 1, payloadType: "application/super+json" } })).status).toBe(400);
    expect((await on(replayRoute, id, { body: { version: "20200101.1" } })).status).toBe(422);
  });
});

describe("reschedule (test 70)", () => {
  test("moves a delayed run and refuses any other", async () => {
    const delayed = await trigger("moved", { options: { delay: "1h" } });
    const answer = await on(rescheduleRoute, delayed, { body: { delay: "2030-01-01T00:00:00Z" } });
    expect(RetrieveRunResponse.safeParse(answer.body).error).toBeUndefined();
    expect(answer.body).toMatchObject({ status: "DELAYED", delayedUntil: "2030-01-01T00:00:00.000Z" });
    const queued = await trigger("moved");
    expect(await on(rescheduleRoute, queued, { body: { delay: "1h" } })).toMatchObject({
      status: 422,
      body: { error: expect.stringContaining("QUEUED") },
    });
    expect((await on(rescheduleRoute, delayed, { body: { delay: "soon" } })).status).toBe(400);
    expect((await on(rescheduleRoute, delayed, { body: {} })).status).toBe(400);
  });

  test("a delayed run that is cancelled was never queued (test 72)", async () => {
    const env = await test_.environment("dev");
    const id = await trigger("never-queued", { options: { delay: "1h" } });
    await on(cancelRoute, id, { method: "POST" });
    expect((await on(retrieveRoute, id)).body).toMatchObject({ status: "CANCELED" });
    expect((await test_.app.index.queueCounts(env.id, ["task/never-queued"])).get("task/never-queued")?.queued ?? 0).toBe(0);
  });
});

describe("tags (test 136)", () => {
  test("are united, up to ten", async () => {
    const id = await trigger("tagged", { options: { tags: ["a", "b"] } });
    expect((await on(tagsRoute, id, { body: { tags: ["b", "c"] } })).status).toBe(200);
    expect((await on(retrieveRoute, id)).body["tags"]).toEqual(["a", "b", "c"]);
    expect((await on(tagsRoute, id, { body: { tags: Array.from({ length: 8 }, (_, i) => `n${i}`) } })).status).toBe(422);
    expect((await on(tagsRoute, id, { body: { tags: "" } })).status).toBe(422);
    expect((await on(tagsRoute, id, { body: { tags: "x".repeat(129) } })).status).toBe(422);
    expect((await on(tagsRoute, id, { body: { tags: 1 } })).status).toBe(400);
    expect((await on(retrieveRoute, id)).body["tags"]).toEqual(["a", "b", "c"]);
  });
});

describe("metadata (tests 137, 138)", () => {
  const put = (id: string, body: unknown) => on(metadataRoute, id, { method: "PUT", body });

  test("every operation, paths included, answers the whole document", async () => {
    const id = await trigger("meta", { options: { metadata: { count: 1, list: ["a", "b"], gone: true, deep: { n: 1 } } } });
    const operations = [
      { type: "set", key: "name", value: "x" },
      { type: "set", key: "$.deep.m", value: 2 },
      { type: "delete", key: "gone" },
      { type: "increment", key: "count", value: 2 },
      { type: "append", key: "list", value: "c" },
      { type: "remove", key: "list", value: "a" },
    ];
    const answer = await put(id, { operations });
    expect(UpdateMetadataResponseBody.safeParse(answer.body).error).toBeUndefined();
    expect(answer.body).toEqual({ metadata: { count: 3, list: ["b", "c"], deep: { n: 1, m: 2 }, name: "x" } });
    expect((await on(metadataRoute, id)).body).toEqual(answer.body);
    expect((await put(id, { operations: [{ type: "update", value: { only: 1 } }] })).body).toEqual({ metadata: { only: 1 } });
    expect((await put(id, { metadata: { whole: true } })).body).toEqual({ metadata: { whole: true } });
  });

  test("bad operations are refused with nothing written", async () => {
    const id = await trigger("meta-bad", { options: { metadata: { kept: 1 } } });
    const bad = [
      { operations: [{ type: "set", key: "__proto__", value: 1 }] },
      { operations: [{ type: "set", key: "$.constructor.prototype.x", value: 1 }] },
      { operations: [{ type: "set", key: "$.a.__proto__", value: 1 }] },
      {
        operations: [
          { type: "set", key: "ok", value: 1 },
          { type: "multiply", key: "ok", value: 1 },
        ],
      },
      { operations: [{ type: "increment", key: "ok", value: "1" }] },
      { metadata: [1] },
      '{"metadata":{"__proto__":{"admin":true}}}',
    ];
    for (const body of bad) expect((await put(id, body)).status).toBe(400);
    expect((await put(id, { metadata: { a: "x".repeat(256 * 1024) } })).status).toBe(413);
    expect((await on(metadataRoute, id)).body).toEqual({ metadata: { kept: 1 } });
    expect(({} as Record<string, unknown>)["admin"]).toBeUndefined();
  });

  test("a repeated request counts once", async () => {
    const id = await trigger("meta-repeated");
    const headers = { "x-trigger-request-idempotency-key": "0b8f4c1e-1d1a-4a57-8e0b-3f5f1f0f4a11" };
    const body = { operations: [{ type: "increment", key: "n", value: 1 }] };
    await on(metadataRoute, id, { method: "PUT", body, headers });
    expect((await on(metadataRoute, id, { method: "PUT", body, headers })).body).toEqual({ metadata: { n: 1 } });
  });

  test("one change that is too large fails alone", async () => {
    const id = await trigger("meta-group");
    const large = put(id, { operations: [{ type: "set", key: "big", value: "x".repeat(256 * 1024) }] });
    const small = put(id, { operations: [{ type: "set", key: "small", value: 1 }] });
    expect([(await large).status, (await small).status]).toEqual([413, 200]);
    expect((await on(metadataRoute, id)).body).toEqual({ metadata: { small: 1 } });
  });

  test("a hundred concurrent increments from children reach root and parent exactly", async () => {
    const root = await trigger("meta-root");
    const child = await trigger("meta-child", { options: { parentRunId: root } });
    const body = {
      rootOperations: [{ type: "increment", key: "n", value: 1 }],
      parentOperations: [{ type: "increment", key: "p", value: 1 }],
    };
    const answers = await Promise.all(Array.from({ length: 100 }, () => put(child, body)));
    expect(answers.every((answer) => answer.status === 200)).toBe(true);
    expect((await on(metadataRoute, root)).body).toEqual({ metadata: { n: 100, p: 100 } });
    expect((await on(metadataRoute, child)).body).toEqual({ metadata: {} });
  });
});

describe("lists (test 140)", () => {
  test("page forwards and back, stable while runs are inserted", async () => {
    const made: string[] = [];
    for (let i = 0; i < 7; i++) made.unshift(await trigger("listed"));
    const filter = { "filter[taskIdentifier]": "listed", "page[size]": "3" };
    const first = await list(filter);
    expect(ids(first)).toEqual(made.slice(0, 3));
    expect(first.body.pagination.previous).toBeUndefined();
    await trigger("listed");
    const second = await list({ ...filter, "page[after]": first.body.pagination.next ?? "" });
    expect(ids(second)).toEqual(made.slice(3, 6));
    const third = await list({ ...filter, "page[after]": second.body.pagination.next ?? "" });
    expect(ids(third)).toEqual(made.slice(6));
    expect(third.body.pagination.next).toBeUndefined();
    expect(ids(await list({ ...filter, "page[before]": second.body.pagination.previous ?? "" }))).toEqual(made.slice(0, 3));
  });

  test("filter by every field", async () => {
    const other = await trigger("filters");
    const cancelled = await trigger("filters");
    await on(cancelRoute, cancelled, { method: "POST" });
    const rich = await trigger("filters", { options: { tags: ["red", "blue"], queue: { name: "special" }, machine: "micro", test: true } });
    const child = await trigger("filters", { options: { parentRunId: rich } });
    const task = { "filter[taskIdentifier]": "filters" };
    const only = async (query: Record<string, string>) => ids(await list({ ...task, ...query }));
    expect(await only({})).toEqual([child, rich, cancelled, other]);
    expect(await only({ "filter[status]": "CANCELED" })).toEqual([cancelled]);
    expect(await only({ "filter[status]": "QUEUED,CANCELED" })).toHaveLength(4);
    expect(await only({ "filter[tag]": "red,blue" })).toEqual([rich]);
    expect(await only({ "filter[tag]": "red,green" })).toEqual([]);
    expect(await only({ "filter[queue]": "special" })).toEqual([rich]);
    // Machines are chosen when a run is handed out; what was handed out is filtered in the store's contract suite.
    expect(await only({ "filter[machine]": "large-2x" })).toEqual([]);
    expect(await only({ "filter[isTest]": "true" })).toEqual([rich]);
    expect(await only({ "filter[rootRunsOnly]": "true" })).toEqual([rich, cancelled, other]);
    expect(await only({ "filter[version]": "20200101.1" })).toEqual([]);
    expect(await only({ "filter[createdAt][from]": "2020-01-01", "filter[createdAt][to]": "2020-01-02" })).toEqual([]);
    expect(await only({ "filter[createdAt][period]": "1h" })).toHaveLength(4);
    expect(await only({ "filter[batch]": "batch_c1k7uoo068kfob3hcosgp1s3c" })).toEqual([]);
    expect(await only({ "filter[schedule]": "sched_c1k7uoo068kfob3hcosgp1s3c" })).toEqual([]);
  });

  test("page size 1 and 100 pass, 0 and 101 are refused by name", async () => {
    for (const size of ["1", "100"]) expect((await list({ "page[size]": size })).status).toBe(200);
    for (const size of ["0", "101", "x"]) {
      expect(await list({ "page[size]": size })).toMatchObject({ status: 400, body: { error: expect.stringContaining("page[size]") } });
    }
  });

  test("of a project hold the environments of its members only", async () => {
    const { projectRef, personalAccessToken } = test_.credentials;
    const inProd = await trigger("project-listed", {}, test_.credentials.environments.prod.secretKey);
    const inDev = await trigger("project-listed");
    const call = (query: string, ref = projectRef, token = personalAccessToken) =>
      callRoute<Listed>(projectRunsRoute, { token, params: { projectRef: ref }, query: `?filter[taskIdentifier]=project-listed${query}` });
    expect(ids(await call(""))).toEqual([inDev, inProd]);
    expect(ids(await call("&filter[env]=prod"))).toEqual([inProd]);
    expect((await call("", "proj_unknown")).status).toBe(404);
    expect((await call("", projectRef, key)).status).toBe(401);
  });
});

describe("old clients", () => {
  test("without an API version get the old status names", async () => {
    const id = await trigger("old");
    const request = new Request("http://sluice.test/x", { headers: { authorization: `Bearer ${key}` } });
    const response = await retrieveRoute.loader({ request, params: { runId: id }, context: {} });
    expect(await response.json()).toMatchObject({ status: "QUEUED" });
  });
});

describe("a run's packets", () => {
  test("have links when they are stored, and a 404 when they are inline", async () => {
    const stored = await trigger("packed", { payload: "x".repeat(600_000), options: { payloadType: "text/plain" } });
    const call = (runId: string, kind: string) => callRoute(packetKindRoute, { token: key, params: { runId, kind } });
    expect(await call(stored, "payload")).toMatchObject({ status: 200, body: { presignedUrl: expect.stringContaining("signature=") } });
    expect((await call(stored, "output")).status).toBe(404);
    expect((await call(await trigger("packed"), "payload")).status).toBe(404);
    expect((await call(stored, "secrets")).status).toBe(400);
  });
});
