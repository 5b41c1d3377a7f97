/** The list of bad input: each a 4xx with `{"error"}` naming the thing, nothing written, no stack, one log line with an id. */
import { createHmac } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as unknownRoute from "../../app/routes/api.$";
import * as listRoute from "../../app/routes/api.v1.runs._index";
import * as triggerRoute from "../../app/routes/api.v1.tasks.$taskId.trigger";
import * as cancelRoute from "../../app/routes/api.v2.runs.$runId.cancel";
import * as retrieveRoute from "../../app/routes/api.v3.runs.$runId";
import { createTestServices, type TestServices } from "../services";
import { callRoute, createTestApp, type ApiAnswer, type ApiCall, type TestApp } from "../testApp";

let services: TestServices;
let test_: TestApp;
let key: string;
let envId: string;
let runsBefore = 0;

beforeAll(async () => {
  services = await createTestServices();
  test_ = await createTestApp(services);
  ({ id: envId, secretKey: key } = test_.credentials.environments.dev);
});
afterAll(async () => {
  await test_.close();
  await services.close();
});

async function countRuns(): Promise<number> {
  const { rows } = await services.pool.query<{ n: number }>("SELECT count(*) AS n FROM run_ops.run");
  return rows[0]?.n ?? -1;
}

function trigger(body: unknown, call: ApiCall = {}, taskId = "task") {
  return callRoute(triggerRoute, { token: key, params: { taskId }, body, ...call });
}

function requestLines() {
  return test_.lines.filter(({ event }) => String(event).startsWith("request."));
}

/** What every refusal has in common. */
function expectRefusal(answer: ApiAnswer<Record<string, unknown>>, status: number, names?: string | RegExp) {
  expect(answer.status).toBe(status);
  expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
  expect(answer.body["error"]).toEqual(expect.any(String));
  if (names !== undefined) expect(answer.body["error"]).toMatch(names);
  expect(JSON.stringify(answer.body)).not.toMatch(/\n\s+at |node_modules|\.ts:/);
  const id = answer.headers.get("x-request-id");
  expect(id).toMatch(/^req_/);
  expect(requestLines().filter((line) => line["id"] === id)).toHaveLength(1);
}

describe("bodies", () => {
  beforeEach(async () => {
    runsBefore = await countRuns();
  });
  afterEach(async () => {
    expect(await countRuns()).toBe(runsBefore);
  });

  test.each(["{", "", "[]", '"text"', "null", "{}x", "\0"])("%j is no trigger", async (body) => {
    expectRefusal(await trigger(body, { method: "POST" }), 400, /body/);
  });

  test.each<[string, unknown, number, RegExp]>([
    ["wrong type of options", { options: 1 }, 400, /options/],
    ["wrong type of tags", { options: { tags: 5 } }, 400, /options\.tags/],
    ["wrong type of ttl", { options: { ttl: true } }, 400, /options\.ttl/],
    ["wrong type of maxAttempts", { options: { maxAttempts: "3" } }, 400, /options\.maxAttempts/],
    ["unknown machine", { options: { machine: "huge" } }, 400, /options\.machine/],
    ["unreadable delay", { options: { delay: "soon" } }, 400, /delay "soon"/],
    ["unreadable ttl", { options: { ttl: "soon" } }, 400, /ttl "soon"/],
    ["unreadable key TTL", { options: { idempotencyKey: "k", idempotencyKeyTTL: "soon" } }, 400, /idempotencyKeyTTL "soon"/],
    ["over-long idempotency key", { options: { idempotencyKey: "k".repeat(2_049) } }, 400, /options\.idempotencyKey/],
    ["over-long concurrency key", { options: { concurrencyKey: "k".repeat(129) } }, 400, /options\.concurrencyKey/],
    ["over-long version", { options: { lockToVersion: "v".repeat(129) } }, 400, /options\.lockToVersion/],
    ["NUL in a tag", { options: { tags: ["a\0"] } }, 400, /NUL/],
    ["NUL in a queue", { options: { queue: { name: "a\0" } } }, 400, /NUL/],
    ["NUL in a key", { options: { idempotencyKey: "a\0" } }, 400, /NUL/],
    ["NUL in a payload", { payload: "a\0b", options: { payloadType: "text/plain" } }, 400, /NUL/],
    ["eleven tags", { options: { tags: Array.from({ length: 11 }, (_, i) => `t${i}`) } }, 422, /10 tags, not 11/],
    ["129 characters of tag", { options: { tags: ["x".repeat(129)] } }, 422, /129/],
    ["an empty tag", { options: { tags: [""] } }, 422, /tag/],
    ["3 MB + 1 of payload", { payload: "x".repeat(3 * 1024 * 1024 + 1), options: { payloadType: "text/plain" } }, 413, /3 MB/],
    ["too much metadata", { options: { metadata: { a: "x".repeat(256 * 1024) } } }, 413, /metadata/],
    ["metadata that is no object", { options: { metadata: [1] } }, 400, /metadata/],
    ["unknown parent", { options: { parentRunId: "run_c1k7uoo068kfob3hcosgp1s3c" } }, 404, /run_c1k7uoo068kfob3hcosgp1s3c/],
    ["unknown version", { options: { lockToVersion: "1" } }, 422, /version 1/],
    ["a wait", { options: { resumeParentOnCompletion: true, parentRunId: "run_x" } }, 422, /triggerAndWait/],
    ["debounce", { options: { debounce: { key: "k", delay: "5s" } } }, 422, /debounce/],
    ["__proto__ at the top", '{"__proto__":{"a":1}}', 400, /__proto__/],
    ["__proto__ in metadata", '{"options":{"metadata":{"__proto__":{"a":1}}}}', 400, /__proto__/],
    ["__proto__ in a payload of objects", '{"payload":{"deep":[{"__proto__":1}]}}', 400, /__proto__/],
  ])("%s", async (_, body, status, names) => {
    expectRefusal(await trigger(body), status, names);
  });

  test("a body beyond the route's bytes is a 413, announced or not", async () => {
    const body = JSON.stringify({ payload: "x".repeat(9 * 1024 * 1024) });
    expectRefusal(await trigger(body), 413, /larger than/);
    expectRefusal(await trigger(body, { headers: { "content-length": String(body.length) } }), 413, /larger than/);
  });

  test("task ids: empty, over-long, NUL", async () => {
    for (const taskId of ["", "x".repeat(129), "a\0b"]) expectRefusal(await trigger({}, {}, taskId), 400, /task id/);
  });

  test("a caller that hangs up while it sends gets no 500", async () => {
    const broken = new ReadableStream({ start: (controller) => controller.error(new Error("Client connection prematurely closed.")) });
    const request = new Request("http://sluice.test/api", {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
      body: broken,
      duplex: "half",
    } as RequestInit);
    const response = await triggerRoute.action({ request, params: { taskId: "t" }, context: {} });
    expect(response.status).toBe(499);
    expect(test_.lines.filter(({ level }) => level === "error")).toEqual([]);
  });
});

describe("credentials", () => {
  const jwt = (claims: Record<string, unknown>, options: { secret?: string; header?: object } = {}) => {
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const base = {
      iss: "https://id.trigger.dev",
      aud: "https://api.trigger.dev",
      sub: envId,
      pub: true,
      exp: Math.floor(Date.now() / 1_000) + 600,
    };
    const signed = `${encode(options.header ?? { alg: "HS256" })}.${encode({ ...base, ...claims })}`;
    return `${signed}.${createHmac("sha256", options.secret ?? key)
      .update(signed)
      .digest("base64url")}`;
  };
  const call = (token: string) => trigger({}, { token });

  test.each(["", "wrong", "tr_dev_wrong", `tr_dev_${"x".repeat(24)}`, "a.b.c"])("%j is no key", async (token) => {
    expectRefusal(await call(token), 401);
  });

  test("a personal access token is no environment key", async () => {
    expectRefusal(await call(test_.credentials.personalAccessToken), 401);
  });

  test("public tokens: alg none, another algorithm, wrong sub, wrong key, expired, not public", async () => {
    const scopes = ["trigger:tasks:task"];
    const [head, body] = jwt({ scopes }, { header: { alg: "none" } }).split(".");
    expectRefusal(await call(`${head}.${body}.`), 401);
    expectRefusal(await call(jwt({ scopes }, { header: { alg: "none" } })), 401);
    expectRefusal(await call(jwt({ scopes }, { header: { alg: "HS512" } })), 401);
    expectRefusal(await call(jwt({ scopes, sub: test_.credentials.environments.prod.id })), 401);
    expectRefusal(await call(jwt({ scopes, sub: "nowhere" })), 401);
    expectRefusal(await call(jwt({ scopes }, { secret: "another" })), 401);
    expectRefusal(await call(jwt({ scopes, exp: 1 })), 401, /expired/);
    expectRefusal(await call(jwt({ scopes, pub: false })), 401);
  });

  test("a missing scope is a 403 with the fields that the SDK shows", async () => {
    const answer = await call(jwt({ scopes: ["trigger:tasks:another", "read:runs"] }));
    expectRefusal(answer, 403, /^Unauthorized$/);
    expect(answer.body).toEqual({ error: "Unauthorized", code: "unauthorized", param: "access_token", type: "authorization" });
  });

  test("a token triggers within its scope, gets a readable run token, and cannot cancel", async () => {
    const answer = await call(jwt({ scopes: ["trigger:tasks:task"] }));
    expect(answer.status).toBe(200);
    const runId = String(answer.body["id"]);
    const token = answer.headers.get("x-trigger-jwt") ?? "";
    expect((await callRoute(retrieveRoute, { token, params: { runId } })).body).toMatchObject({ id: runId });
    expectRefusal(await callRoute(cancelRoute, { token, params: { runId }, method: "POST" }), 403);
    expectRefusal(await callRoute(listRoute, { token }), 403);
    const other = String((await trigger({})).body["id"]);
    expectRefusal(await callRoute(retrieveRoute, { token, params: { runId: other } }), 403);
  });

  test("lists and runs are readable by tag and task scopes", async () => {
    const runId = String((await trigger({ options: { tags: ["mine"] } })).body["id"]);
    const byTag = jwt({ scopes: ["read:tags:mine"] });
    const byTask = jwt({ scopes: ["read:tasks:task"] });
    expect((await callRoute(retrieveRoute, { token: byTag, params: { runId } })).status).toBe(200);
    expect((await callRoute(listRoute, { token: byTag, query: "?filter[tag]=mine" })).status).toBe(200);
    expect((await callRoute(listRoute, { token: byTask, query: "?filter[taskIdentifier]=task" })).status).toBe(200);
    expectRefusal(await callRoute(listRoute, { token: byTask, query: "?filter[taskIdentifier]=task,other" }), 403);
  });

  test("a one-time token works once (test 135)", async () => {
    const token = jwt({ scopes: ["trigger:tasks:task"], otu: true });
    const answers = await Promise.all(Array.from({ length: 5 }, () => call(token)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const refused = answers.find(({ status }) => status !== 200);
    if (refused) expectRefusal(refused, 401, /already used/);
    expectRefusal(await call(token), 401, /already used/);
  });

  test("a revoked key is refused, and a run of another environment is unknown", async () => {
    const { prod, staging } = test_.credentials.environments;
    const runId = String((await trigger({})).body["id"]);
    expectRefusal(await callRoute(retrieveRoute, { token: prod.secretKey, params: { runId } }), 404, /Run not found/);
    await test_.app.environments.rotateKey.call({ envId: staging.id, graceMs: 0 });
    await expect.poll(async () => (await call(staging.secretKey)).status, { timeout: 5_000 }).toBe(401);
    expectRefusal(await call(staging.secretKey), 401, /Invalid or Missing API key/);
  });
});

describe("routes", () => {
  test("unknown ones and unsupported features are 404s by name", async () => {
    expectRefusal(await callRoute(unknownRoute), 404, /\/api\/test/);
    expectRefusal(await callRoute(unknownRoute, { method: "POST", body: "{" }), 404);
  });

  test("a wrong method is a 405 with Allow", async () => {
    const answer = await callRoute(triggerRoute, { token: key, method: "PUT", params: { taskId: "t" }, body: {} });
    expectRefusal(answer, 405, /PUT is not allowed/);
    expect(answer.headers.get("allow")).toBe("POST");
  });

  test("browsers get CORS headers on answers and refusals, others do not", async () => {
    const headers = { origin: "https://app.example" };
    for (const answer of [
      await trigger({}, { headers }),
      await trigger("{", { headers }),
      await trigger({}, { headers, token: "wrong" }),
    ]) {
      expect(answer.headers.get("access-control-allow-origin")).toBe("*");
      expect(answer.headers.get("access-control-expose-headers")).toBe("*");
    }
    expect((await trigger({})).headers.get("access-control-allow-origin")).toBeNull();
    expect(triggerRoute.action.cors).toBe(true);
  });
});
