import { mkdtemp, readdir, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { manualClock } from "../../platform/clock";
import { AppError } from "../../utils/appError";
import { createPacketStore, type PacketStore } from "./packetStore.server";

const ENV = "c0000000000000000000000e1";
const OTHER = "c0000000000000000000000e2";
const clock = manualClock(Date.parse("2026-11-21T10:00:00Z"));
let directory: string;
let packets: PacketStore;

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), "sluice-packets-"));
  packets = createPacketStore({ directory, secret: "s3cret", origin: "http://127.0.0.1:3030", urlTtlSeconds: 60, maxBytes: 1_000 }, clock);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function signed(verb: "get" | "put", name: string) {
  const url = new URL(packets.presign(verb, ENV, name));
  const prefix = "/api/v1/packet-data/";
  expect(url.pathname.startsWith(prefix)).toBe(true);
  return { name: decodeURIComponent(url.pathname.slice(prefix.length)), query: Object.fromEntries(url.searchParams) };
}

async function textOf(envId: string, name: string) {
  const packet = await packets.read(envId, name);
  return packet && { type: packet.contentType, size: packet.size, text: await new Response(packet.body).text() };
}

async function statusOf(work: () => unknown): Promise<number> {
  try {
    await work();
    return 200;
  } catch (error) {
    if (error instanceof AppError) return error.status;
    throw error;
  }
}

describe("packets", () => {
  test("come back with their bytes and their content type", async () => {
    await packets.write(ENV, "run_1/payload.json", '{"json":"é"}', "application/super+json");
    expect(await textOf(ENV, "run_1/payload.json")).toEqual({ type: "application/super+json", size: 13, text: '{"json":"é"}' });
  });

  test("are replaced whole, and are unknown to another environment", async () => {
    await packets.write(ENV, "twice", "a longer first version", "text/plain");
    await packets.write(ENV, "twice", "second", "text/plain");
    expect(await textOf(ENV, "twice")).toMatchObject({ text: "second" });
    expect(await packets.read(OTHER, "twice")).toBeNull();
    expect(await packets.read(ENV, "never")).toBeNull();
  });

  test("too many bytes are refused while they arrive, and leave nothing behind", async () => {
    async function* chunks() {
      for (let i = 0; i < 3; i++) yield Buffer.alloc(400);
    }
    const before = (await readdir(directory, { recursive: true })).filter((file) => file.endsWith(".tmp"));
    expect(await statusOf(() => packets.write(ENV, "big", chunks(), "text/plain"))).toBe(413);
    expect(await packets.read(ENV, "big")).toBeNull();
    expect((await readdir(directory, { recursive: true })).filter((file) => file.endsWith(".tmp"))).toEqual(before);
  });

  test.each(["", "../x", "a/../../x", "a//b", "/etc/passwd", "a\\b", "a\0b", ".", "a/.", "x".repeat(1_025)])(
    "the name %j is refused",
    async (name) => {
      expect(await statusOf(() => packets.presign("get", ENV, name))).toBe(400);
      expect(await statusOf(() => packets.write(ENV, name, "x", "text/plain"))).toBe(400);
      expect(await statusOf(() => packets.read(ENV, name))).toBe(400);
    }
  );
});

describe("signed URLs", () => {
  test("open one packet, one way", () => {
    const { name, query } = signed("get", "run_1/a payload%2F.json");
    expect(name).toBe("run_1/a payload%2F.json");
    expect(packets.verify("get", name, query)).toEqual({ envId: ENV, name });
    expect(() => packets.verify("put", name, query)).toThrow(/not signed/);
    expect(() => packets.verify("get", "run_1/other", query)).toThrow(/not signed/);
    expect(() => packets.verify("get", name, { ...query, env: OTHER })).toThrow(/not signed/);
    expect(() => packets.verify("get", name, { ...query, expires: String(Number(query["expires"]) + 1) })).toThrow(/not signed/);
    expect(() => packets.verify("get", name, { ...query, signature: "00" })).toThrow(/not signed/);
    expect(() => packets.verify("get", name, {})).toThrow(/not signed/);
  });

  test("expire", () => {
    const { name, query } = signed("put", "later");
    clock.advance(60_000);
    expect(packets.verify("put", name, query)).toEqual({ envId: ENV, name });
    clock.advance(1_000);
    expect(() => packets.verify("put", name, query)).toThrow(/expired/);
  });
});
