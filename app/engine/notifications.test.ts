import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { io, type Socket } from "socket.io-client";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createEngineFixture, workerOf, type EngineFixture } from "../../test/engineFixture";

let f: EngineFixture;
let server: Server;
let worker: ReturnType<typeof workerOf>;
const sockets: Socket[] = [];

beforeAll(async () => {
  f = await createEngineFixture();
  server = createServer();
  f.engine.attach(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  worker = workerOf(f, await f.register([{ id: "a" }]));
});
afterEach(() => sockets.splice(0).forEach((socket) => socket.disconnect()));
afterAll(async () => {
  await f.close();
  server.closeAllConnections();
  server.close();
});

/** Connects as the CLI does. */
function connect(key: string): Socket {
  const { port } = server.address() as AddressInfo;
  const socket = io(`http://127.0.0.1:${port}/dev-worker`, {
    transports: ["websocket"],
    reconnection: false,
    extraHeaders: { Authorization: `Bearer ${key}` },
  });
  sockets.push(socket);
  return socket;
}

async function subscribed(key: string, runId: string): Promise<{ socket: Socket; notices: unknown[] }> {
  const notices: unknown[] = [];
  const socket = connect(key);
  socket.on("run:notify", (notice) => notices.push(notice));
  await new Promise<void>((resolve, reject) => {
    socket.on("connect", resolve);
    socket.on("connect_error", reject);
  });
  socket.emit("run:subscribe", { version: "1", runFriendlyIds: [`run_${runId}`] });
  await expect.poll(async () => (await f.services.redis.pubsub("NUMSUB", `sluice:feed:${f.dev.id}`))[1]).toBe(1);
  return { socket, notices };
}

const expected = (runId: string) => ({ version: "1", run: { friendlyId: `run_${runId}` } });
const ok = { ok: true, outputType: "application/json" } as const;

describe("notices to dev workers", () => {
  it("tells of a cancel at once and repeats while the snapshot is the latest", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    const { notices } = await subscribed(f.dev.secretKey, runId);
    await f.engine.cancel({ envId: f.dev.id, runId });
    await expect.poll(() => notices.length, { timeout: 5_000 }).toBe(4);
    expect(notices[0]).toEqual(expected(runId));
    await worker.complete(run, run.started.snapshotId, ok);
  });

  it("stops repeating when the worker has moved on", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    const other = await f.trigger();
    const otherRun = await worker.take();
    const { notices, socket } = await subscribed(f.dev.secretKey, runId);
    socket.emit("run:subscribe", { version: "1", runFriendlyIds: [`run_${other}`] });
    await f.engine.cancel({ envId: f.dev.id, runId });
    await worker.complete(run, run.started.snapshotId, ok);
    await f.engine.cancel({ envId: f.dev.id, runId: other });
    const of = (id: string) => notices.filter((notice) => JSON.stringify(notice).includes(id)).length;
    await expect.poll(() => of(other), { timeout: 5_000 }).toBe(4);
    expect(of(runId)).toBeLessThan(4);
    await worker.complete(otherRun, otherRun.started.snapshotId, ok);
  });

  it("does not tell about starts and completions that the worker made itself, nor after unsubscribing", async () => {
    const first = await f.trigger();
    const second = await f.trigger();
    const { notices, socket } = await subscribed(f.dev.secretKey, first);
    socket.emit("run:subscribe", { version: "1", runFriendlyIds: [`run_${second}`, "nonsense"] });
    const run = await worker.take();
    await worker.complete(run, run.started.snapshotId, ok);
    const next = await worker.take();
    socket.emit("run:unsubscribe", { version: "1", runFriendlyIds: [`run_${first}`] });
    await f.engine.cancel({ envId: f.dev.id, runId: next.runId });
    await expect.poll(() => notices.length, { timeout: 5_000 }).toBeGreaterThan(0);
    expect(notices).toContainEqual(expected(second));
    expect(notices).not.toContainEqual(expected(first));
  });

  it("ignores malformed messages", async () => {
    const runId = await f.trigger();
    const run = await worker.take();
    const { notices, socket } = await subscribed(f.dev.secretKey, runId);
    for (const message of [null, "x", { runFriendlyIds: 7 }, { runFriendlyIds: [7] }]) socket.emit("run:subscribe", message);
    await f.engine.cancel({ envId: f.dev.id, runId });
    await expect.poll(() => notices.length, { timeout: 5_000 }).toBeGreaterThan(0);
    await worker.complete(run, run.started.snapshotId, ok);
  });

  it("refuses a wrong key, and hears nothing of another environment's runs", async () => {
    const refused = connect("tr_dev_wrong");
    const error = await new Promise<Error>((resolve) => refused.on("connect_error", resolve));
    expect(error.message).toBe("unauthorized");
    const runId = await f.trigger();
    const run = await worker.take();
    const stranger = connect(f.prod.secretKey);
    const heard: unknown[] = [];
    stranger.on("run:notify", (notice) => heard.push(notice));
    await new Promise<void>((resolve) => stranger.on("connect", resolve));
    stranger.emit("run:subscribe", { version: "1", runFriendlyIds: [`run_${runId}`] });
    const { notices } = await subscribed(f.dev.secretKey, runId);
    await f.engine.cancel({ envId: f.dev.id, runId });
    await expect.poll(() => notices.length, { timeout: 5_000 }).toBe(4);
    expect(heard).toEqual([]);
    await worker.complete(run, run.started.snapshotId, ok);
  });
});

describe("presence", () => {
  it("is seen while the stream is open", async () => {
    expect(await f.engine.isDevConnected(f.dev.id)).toBe(false);
    const gone = new AbortController();
    const response = f.worker.presence(f.dev, gone.signal);
    const reader = response.body?.getReader();
    const first = await reader?.read();
    expect(new TextDecoder().decode(first?.value as Uint8Array)).toContain("event: start");
    await expect.poll(() => f.engine.isDevConnected(f.dev.id)).toBe(true);
    gone.abort();
    expect((await reader?.read())?.done).toBe(true);
  });
});
