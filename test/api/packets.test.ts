/** Packets and public tokens over their routes, against real stores. */
import { CreateUploadPayloadUrlResponseBody } from "@trigger.dev/core/v3/schemas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as claimsRoute from "../../app/routes/api.v1.auth.jwt.claims";
import * as publicTokensRoute from "../../app/routes/api.v1.auth.public-tokens";
import * as dataRoute from "../../app/routes/api.v1.packet-data.$";
import * as packetsRoute from "../../app/routes/api.v1.packets.$";
import * as listRoute from "../../app/routes/api.v1.runs._index";
import * as triggerRoute from "../../app/routes/api.v1.tasks.$taskId.trigger";
import * as uploadRoute from "../../app/routes/api.v2.packets.$";
import * as retrieveRoute from "../../app/routes/api.v3.runs.$runId";
import { createTestServices, type TestServices } from "../services";
import { callRoute, createTestApp, TEST_ORIGIN, type TestApp } from "../testApp";

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

/** What the client does with a signed URL: no credential, only the content type. */
async function follow(url: string, put?: { body: string; type: string }) {
  const parsed = new URL(url);
  expect(parsed.origin).toBe(TEST_ORIGIN);
  const name = decodeURIComponent(parsed.pathname.slice("/api/v1/packet-data/".length));
  const init = put ? { method: "PUT", body: put.body, headers: { "content-type": put.type } } : {};
  const args = { request: new Request(url, init), params: { "*": name }, context: {} };
  return put ? dataRoute.action(args) : dataRoute.loader(args);
}

async function presign(route: object, method: "GET" | "PUT", name: string, token = key) {
  return callRoute<{ presignedUrl: string; storagePath?: string }>(route, { method, token, params: { "*": name } });
}

describe("packets", () => {
  test("are uploaded, triggered with, and read back with their content type", async () => {
    const upload = await presign(uploadRoute, "PUT", "run_x/payload a/ö.json");
    const { presignedUrl, storagePath = "" } = CreateUploadPayloadUrlResponseBody.parse(upload.body);
    const body = '{"json":{"at":"2026-11-21T10:00:00.000Z"},"meta":{"values":{"at":["Date"]}}}';
    expect((await follow(presignedUrl, { body, type: "application/super+json" })).status).toBe(200);
    const options = { payloadType: "application/store" };
    const run = await callRoute<{ id: string }>(triggerRoute, {
      token: key,
      params: { taskId: "t" },
      body: { payload: storagePath, options },
    });
    const shown = await callRoute<{ payloadPresignedUrl: string }>(retrieveRoute, { token: key, params: { runId: run.body.id } });
    const links = [shown.body.payloadPresignedUrl, (await presign(packetsRoute, "GET", storagePath)).body.presignedUrl];
    for (const link of links) {
      const answer = await follow(link);
      expect(answer.headers.get("content-type")).toBe("application/super+json");
      expect(await answer.text()).toBe(body);
    }
  });

  test("of another environment have another place", async () => {
    const mine = (await presign(packetsRoute, "PUT", "shared")).body.presignedUrl;
    await follow(mine, { body: "secret", type: "text/plain" });
    const theirs = await presign(packetsRoute, "GET", "shared", test_.credentials.environments.prod.secretKey);
    expect((await follow(theirs.body.presignedUrl)).status).toBe(404);
  });

  test("bad names, bad signatures, used the other way: refused", async () => {
    for (const name of ["", "../secrets", "a/../b", "a\0b"]) expect((await presign(packetsRoute, "GET", name)).status).toBe(400);
    const url = (await presign(packetsRoute, "GET", "one-way")).body.presignedUrl;
    expect((await follow(url, { body: "x", type: "text/plain" })).status).toBe(403);
    expect((await follow(url.replace(/signature=../, "signature=00"))).status).toBe(403);
    expect((await follow(url.replace(/&expires=\d+/, "&expires=99999999999"))).status).toBe(403);
    expect((await follow(url.split("?")[0] ?? "")).status).toBe(400);
  });

  test("over the limit: 413 and nothing stored", async () => {
    const upload = (await presign(packetsRoute, "PUT", "huge")).body.presignedUrl;
    expect((await follow(upload, { body: "x".repeat(16 * 1024 * 1024 + 1), type: "text/plain" })).status).toBe(413);
    expect((await follow((await presign(packetsRoute, "GET", "huge")).body.presignedUrl)).status).toBe(404);
  });
});

describe("public tokens", () => {
  test("claims name the environment", async () => {
    const answer = await callRoute(claimsRoute, { token: key, method: "POST" });
    expect(answer.body).toEqual({ sub: test_.credentials.environments.dev.id, pub: true });
  });

  test("signed here they work within their scopes", async () => {
    const make = (body: object) => callRoute<{ token: string; error?: string }>(publicTokensRoute, { token: key, body });
    const reader = await make({ scopes: ["read:runs"], expirationTime: "1h" });
    expect((await callRoute(listRoute, { token: reader.body.token })).status).toBe(200);
    expect((await callRoute(triggerRoute, { token: reader.body.token, params: { taskId: "t" }, body: {} })).status).toBe(403);
    const once = await make({ scopes: ["trigger:tasks:t"], oneTimeUse: true, expirationTime: Math.floor(Date.now() / 1_000) + 600 });
    expect((await callRoute(triggerRoute, { token: once.body.token, params: { taskId: "t" }, body: {} })).status).toBe(200);
    expect((await callRoute(triggerRoute, { token: once.body.token, params: { taskId: "t" }, body: {} })).status).toBe(401);
    expect((await make({ scopes: [] })).status).toBe(400);
    expect((await make({ scopes: ["read:runs"], expirationTime: "soon" })).status).toBe(400);
    expect((await make({ scopes: ["read:runs"], expirationTime: 1 })).status).toBe(400);
    expect((await callRoute(publicTokensRoute, { token: reader.body.token, body: { scopes: ["read:runs"] } })).status).toBe(403);
  });
});
