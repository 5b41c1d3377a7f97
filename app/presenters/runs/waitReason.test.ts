import { describe, expect, it } from "vitest";
import type { Words } from "../views";
import { waitReasonOf, type EnvironmentFacts, type QueueFacts, type RunFacts } from "./waitReason";

const NOW = Date.UTC(2026, 10, 21, 14, 32, 0);
const run: RunFacts = {
  status: "QUEUED",
  task: "send-receipt",
  queue: "email",
  attempt: 0,
  maxAttempts: 5,
  dueAt: null,
  reason: null,
  lastError: null,
};
const env: EnvironmentFacts = { slug: "prod", paused: false, running: 3, limit: 50, devConnected: null };
const queue: QueueFacts = { name: "email", paused: false, running: 0, queued: 1, limit: 10 };

type Change = { run?: Partial<RunFacts>; env?: Partial<EnvironmentFacts>; queue?: Partial<QueueFacts> };
const flat = (words: Words) => words.map((word) => (typeof word === "string" ? word : word.code)).join("");
const reason = (change: Change = {}) =>
  waitReasonOf({
    run: { ...run, ...change.run },
    env: { ...env, ...change.env },
    queue: { ...queue, ...change.queue },
    nowMs: NOW,
    timeZone: "UTC",
  });
const short = (change: Change = {}) => flat(reason(change)?.short ?? []);

describe("why a run waits", () => {
  it("says that a queue is full, with its numbers", () => {
    expect(short({ queue: { running: 10, queued: 213 } })).toBe("Queue email is full (10 of 10), 212 others queued");
  });

  it("says that the environment's limit is reached", () => {
    expect(short({ env: { running: 50 } })).toBe("Environment limit reached (50 of 50)");
  });

  it("names a pause before anything that the pause makes irrelevant", () => {
    const everything = { env: { paused: true, running: 50, devConnected: false }, queue: { paused: true, running: 10 } };
    expect(short(everything)).toBe("Environment prod is paused");
    expect(short({ ...everything, env: { devConnected: false } })).toBe("Queue email is paused");
  });

  it("says that no dev worker is connected, only where one is needed", () => {
    expect(short({ env: { slug: "dev", devConnected: false } })).toBe("No dev worker is connected");
    expect(short({ env: { slug: "dev", devConnected: true } })).toBe("Next in line");
    expect(short()).toBe("Next in line");
  });

  it("says when a delayed run starts", () => {
    expect(short({ run: { status: "DELAYED", dueAt: NOW + 10_680_000 } })).toBe("Starts in 2 h 58 min, at 17:30:00");
  });

  it("says which attempt comes next, when, and why the last one failed", () => {
    const retry = { status: "RETRYING" as const, attempt: 2, dueAt: NOW + 8_000, lastError: "ECONNRESET" };
    expect(short({ run: retry })).toBe("Attempt 3 of 5 in 8.0 s. Last error: ECONNRESET");
    expect(flat(reason({ run: { ...retry, dueAt: NOW - 5 } })?.text ?? [])).toContain("Attempt 2 failed.");
  });

  it("gives the stored reason of a run without a version, and the next move", () => {
    const stored = reason({ run: { status: "PENDING_VERSION", reason: "Version 20261121.1 has no task" }, env: { slug: "dev" } });
    expect(flat(stored?.text ?? [])).toBe("Version 20261121.1 has no task. It is queued as soon as a dev session registers that task.");
    expect(short({ run: { status: "PENDING_VERSION" } })).toBe("No version in prod has the task send-receipt");
  });

  it("has nothing to say of runs that work or have ended", () => {
    for (const status of ["EXECUTING", "COMPLETED", "FAILED", "CANCELED", "EXPIRED"] as const)
      expect(reason({ run: { status } })).toBeNull();
  });
});
