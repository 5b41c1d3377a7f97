import { once } from "node:events";
import http from "node:http";
import { connect, type AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createLogger } from "../../platform/logger";
import { createDispatcher, type DispatchedRoute } from "./router.server";

type Args = { request: Request; params: Record<string, string> };

const write = Object.assign(async ({ request }: Args) => Response.json({ got: await request.json() }), {
  methods: ["POST", "PUT"],
  cors: true,
});

const modules: Record<string, Omit<DispatchedRoute, "id">> = {
  root: { path: "", module: { default: () => null } },
  page: { parentId: "root", path: "runs", module: { default: () => null, loader: () => new Response("page") } },
  live: { parentId: "root", path: "resources/live/:id", module: { loader: ({ params }: Args) => new Response(`live ${params.id}`) } },
  read: { parentId: "root", path: "api/v1/things/:id", module: { loader: ({ params }: Args) => ({ id: params.id }) } },
  write: { parentId: "root", path: "api/v1/things", module: { action: write } },
  broken: {
    parentId: "root",
    path: "api/v1/broken",
    module: {
      loader: () => {
        throw new Error("secret detail");
      },
      action: async ({ request }: Args) => new Response(await request.text()),
    },
  },
  thrown: {
    parentId: "root",
    path: "api/v1/thrown",
    module: {
      loader: () => {
        throw new Response("gone", { status: 410 });
      },
    },
  },
};

describe("dispatcher", () => {
  const lines: { event: string; path?: string }[] = [];
  let server: http.Server;
  let origin: string;

  beforeAll(async () => {
    const log = createLogger("debug", {}, (line) => lines.push(JSON.parse(line) as { event: string }));
    const routes = Object.fromEntries(Object.entries(modules).map(([id, route]) => [id, { id, ...route }]));
    const listener = createDispatcher({ routes, log, fallback: (_request, response) => response.end("express") });
    server = http.createServer(listener).listen(0, "127.0.0.1");
    await once(server, "listening");
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => void lines.splice(0));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  it("calls a loader with decoded parameters, and turns plain values into JSON", async () => {
    const response = await fetch(`${origin}/API/v1/Things/a%2Fb/?x=1`);
    expect(await response.json()).toEqual({ id: "a/b" });
  });

  it("leaves pages and unknown pages to the fallback, and takes resource routes anywhere", async () => {
    expect(await (await fetch(`${origin}/runs`)).text()).toBe("express");
    expect(await (await fetch(`${origin}/nothing`)).text()).toBe("express");
    expect(await (await fetch(`${origin}/resources/live/7`)).text()).toBe("live 7");
  });

  it("answers an unknown API path with its own JSON 404", async () => {
    const response = await fetch(`${origin}/api/v9/nothing`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: expect.stringContaining("/api/v9/nothing"), code: "unknown_route" });
    expect(lines.map((line) => line.event)).toEqual(["request.refused"]);
  });

  it.each([
    ["GET", "/api/v1/things", "POST, PUT, OPTIONS"],
    ["DELETE", "/api/v1/things", "POST, PUT, OPTIONS"],
    ["POST", "/api/v1/things/1", "GET, HEAD, OPTIONS"],
  ])("%s %s is a 405 that allows %s", async (method, path, allow) => {
    const response = await fetch(origin + path, { method });
    expect([response.status, response.headers.get("allow")]).toEqual([405, allow]);
    expect(await response.json()).toHaveProperty("error");
  });

  it("answers preflights: openly for browser routes, without CORS for the others", async () => {
    const ask = (path: string) =>
      fetch(origin + path, { method: "OPTIONS", headers: { "access-control-request-headers": "authorization,x-a" } });
    const open = await ask("/api/v1/things");
    expect([open.status, open.headers.get("access-control-allow-origin")]).toEqual([204, "*"]);
    expect(open.headers.get("access-control-allow-headers")).toBe("authorization,x-a");
    expect((await ask("/api/v1/things/1")).headers.get("access-control-allow-origin")).toBeNull();
  });

  it("answers HEAD with the headers of GET and no body", async () => {
    const response = await fetch(`${origin}/api/v1/things/1`, { method: "HEAD" });
    expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([200, "application/json", ""]);
  });

  it("passes a thrown Response on, and hides a bug behind an id", async () => {
    expect((await fetch(`${origin}/api/v1/thrown`)).status).toBe(410);
    const response = await fetch(`${origin}/api/v1/broken`);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("secret detail");
  });

  it("does not report a client that hangs up during its upload as a bug", async () => {
    const socket = connect(Number(new URL(origin).port), "127.0.0.1");
    socket.write("POST /api/v1/broken HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\npart");
    await once(server, "request");
    socket.destroy();
    await expect.poll(() => lines.map((line) => line.event), { timeout: 5_000 }).toContain("request.client_gone");
    expect(lines.map((line) => line.event)).not.toContain("request.failed");
  });

  it("refuses a request that it cannot read with a 400", async () => {
    const socket = connect(Number(new URL(origin).port), "127.0.0.1");
    socket.write("GET /api/v1/things/1 HTTP/1.1\r\nhost: a b/\\c\r\nconnection: close\r\n\r\n");
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await once(socket, "close");
    expect(text).toMatch(/^HTTP\/1\.1 400 .*malformed_request/s);
  });
});
