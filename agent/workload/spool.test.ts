import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLogger } from "../../app/platform/logger";
import type { HttpAnswer } from "../server/http";
import { Spool, type Spooled } from "./spool";

const ITEM: Spooled = { runId: "run_1", snapshotId: "snapshot_1", environmentId: "e1", runner: "r1", body: "{}", at: Date.now() };
const WAIT_MS = 60;

let dir: string;
let spool: Spool;
let sent: number;
let answer: () => HttpAnswer;
beforeEach(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), "sluice-spool-"));
  sent = 0;
  const send = () => {
    sent++;
    return Promise.resolve().then(answer);
  };
  spool = new Spool({ dir, log: silentLogger, now: Date.now, send });
});
afterEach(() => {
  spool.stop();
  rmSync(dir, { recursive: true, force: true });
});

const status = (code: number): HttpAnswer => ({ status: code, headers: {}, body: Buffer.from("{}") });
const away = () => {
  throw new Error("nobody there");
};

describe("an attempt that is reported twice", () => {
  it("is decided by the second report, though the first still waited on disk", async () => {
    answer = away;
    expect(await spool.deliver(ITEM, WAIT_MS)).toBeNull();
    await expect.poll(() => spool.has(ITEM.runId, ITEM.snapshotId)).toBe(true);
    expect(spool.size).toBe(1);
    answer = () => status(200);
    expect((await spool.deliver(ITEM, WAIT_MS))?.status).toBe(200);
    expect({ waits: spool.has(ITEM.runId, ITEM.snapshotId), onDisk: spool.size, sent }).toEqual({ waits: false, onDisk: 0, sent: 2 });
  });

  it("waits on while the server has decided neither", async () => {
    answer = away;
    await spool.deliver(ITEM, WAIT_MS);
    answer = () => status(503);
    expect(await spool.deliver(ITEM, WAIT_MS)).toBeNull();
    expect(spool.size).toBe(1);
    answer = () => status(200);
    await expect.poll(() => spool.size, { timeout: 10_000 }).toBe(0);
  });
});
