import { describe, expect, test } from "vitest";
import { createLogger, silentLogger } from "../platform/logger";
import { AppError, RetryableError } from "../utils/appError";
import { Batcher, type BatcherOptions, type FailureKind, type GroupContext } from "./batcher";

type Gate = { group: readonly string[]; context: GroupContext; answer(): void; fail(error: unknown): void };

/** A batcher whose groups wait for the test. Errors are classified by their message. */
function gated(options: Partial<BatcherOptions<string, string>> = {}) {
  const gates: Gate[] = [];
  const arrivals: (() => void)[] = [];
  const batcher = new Batcher<string, string>({
    name: "test",
    classify: (error) => (error instanceof Error ? (error.message as FailureKind) : "fatal"),
    now: () => 1_000,
    random: () => 0,
    log: silentLogger,
    run: (group, context) =>
      new Promise((resolve, reject) => {
        gates.push({ group, context, answer: () => resolve(group.map((request) => `${request}!`)), fail: reject });
        arrivals.shift()?.();
      }),
    ...options,
  });
  let taken = 0;
  const next = async (): Promise<Gate> => {
    if (gates.length <= taken) await new Promise<void>((resolve) => arrivals.push(resolve));
    return gates[taken++] as Gate;
  };
  return { batcher, next, gates };
}

describe("Batcher", () => {
  test("requests of one tick share a group; those that come meanwhile form the next", async () => {
    const { batcher, next } = gated({ inflight: 1 });
    const first = [batcher.call("a"), batcher.call("b")];
    const one = await next();
    expect(one.group).toEqual(["a", "b"]);
    const second = ["c", "d", "e"].map((request) => batcher.call(request));
    one.answer();
    expect(await Promise.all(first)).toEqual(["a!", "b!"]);
    const two = await next();
    expect(two.group).toEqual(["c", "d", "e"]);
    two.answer();
    expect(await Promise.all(second)).toEqual(["c!", "d!", "e!"]);
  });

  test("as many groups in flight as allowed, and no more", async () => {
    const { batcher, next, gates } = gated({ inflight: 2, maxRows: 1 });
    const calls = ["a", "b", "c"].map((request) => batcher.call(request));
    const [one, two] = [await next(), await next()];
    expect(batcher.load).toEqual({ queued: 1, running: 2 });
    expect(gates).toHaveLength(2);
    two.answer();
    (await next()).answer();
    one.answer();
    await Promise.all(calls);
  });

  test("groups end at the row limit and at the byte limit; a large request goes alone", async () => {
    const sizes: Record<string, number> = { big: 100, a: 4, b: 4, c: 4 };
    const { batcher, next } = gated({ inflight: 4, maxRows: 2, maxBytes: 10, sizeOf: (request) => sizes[request] ?? 6 });
    const calls = ["a", "b", "c", "d", "e", "big"].map((request) => batcher.call(request));
    const groups = [];
    for (let i = 0; i < 4; i++) {
      const gate = await next();
      groups.push(gate.group);
      gate.answer();
    }
    expect(groups).toEqual([["a", "b"], ["c", "d"], ["e"], ["big"]]);
    await Promise.all(calls);
  });

  test("two requests of one key never share a group, and keep their order", async () => {
    const { batcher, next } = gated({ inflight: 1, keyOf: (request) => request.charAt(0) });
    const calls = ["a1", "a2", "b1", "a3"].map((request) => batcher.call(request));
    for (const expected of [["a1", "b1"], ["a2"], ["a3"]]) {
      const gate = await next();
      expect(gate.group).toEqual(expected);
      gate.answer();
    }
    await Promise.all(calls);
  });

  test("a refused row is found by halving and fails alone", async () => {
    const seen: number[] = [];
    const batcher = new Batcher<string, string>({
      name: "test",
      classify: () => "data",
      now: () => 0,
      log: silentLogger,
      run: async (group) => {
        seen.push(group.length);
        if (group.includes("bad")) throw new Error("value out of range");
        return group.map((request) => `${request}!`);
      },
    });
    const outcomes = await Promise.allSettled(["a", "b", "bad", "c", "d"].map((request) => batcher.call(request)));
    expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled", "fulfilled"]);
    expect(outcomes[2]).toMatchObject({ reason: expect.any(AppError) });
    expect(seen.length).toBeLessThan(8);
  });

  test("a deadlock is retried with the same requests and the same time", async () => {
    const { batcher, next } = gated();
    const call = batcher.call("a");
    (await next()).fail(new Error("transient"));
    const again = await next();
    expect(again).toMatchObject({ group: ["a"], context: { nowMs: 1_000, repeated: false } });
    again.answer();
    expect(await call).toBe("a!");
  });

  test("an unknown outcome is asked again as a repeat, and ends as a 503 that is logged", async () => {
    const lines: string[] = [];
    const { batcher, next } = gated({ log: createLogger("warn", {}, (line) => void lines.push(line)) });
    const call = batcher.call("a");
    call.catch(() => undefined);
    (await next()).fail(new Error("unknown"));
    for (let i = 0; i < 2; i++) {
      const again = await next();
      expect(again.context.repeated).toBe(true);
      again.fail(new Error("unknown"));
    }
    await expect(call).rejects.toBeInstanceOf(RetryableError);
    expect(lines.at(-1)).toContain("store.group_failed");
  });

  test("a bug reaches every caller of the group as it is, without a retry", async () => {
    const { batcher, next, gates } = gated();
    const calls = [batcher.call("a"), batcher.call("b")];
    (await next()).fail(new TypeError("fatal"));
    for (const call of calls) await expect(call).rejects.toBeInstanceOf(TypeError);
    expect(gates).toHaveLength(1);
  });

  test("a wrong number of answers is a bug, not somebody else's answer", async () => {
    const { batcher } = gated({ run: async () => ["one"] });
    const outcomes = await Promise.allSettled([batcher.call("a"), batcher.call("b")]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(["rejected", "rejected"]);
  });

  test("beyond the queue's bounds callers are refused at once", async () => {
    const { batcher, next } = gated({ inflight: 1, maxRows: 1, maxQueued: 2, maxQueuedBytes: 10, sizeOf: (request) => request.length });
    const first = batcher.call("a");
    const gate = await next();
    const waiting = [batcher.call("b"), batcher.call("c")];
    await expect(batcher.call("d")).rejects.toMatchObject({ code: "store_overloaded" });
    gate.answer();
    (await next()).answer();
    await expect(batcher.call("more than ten")).rejects.toBeInstanceOf(RetryableError);
    (await next()).answer();
    expect(await Promise.all([first, ...waiting])).toEqual(["a!", "b!", "c!"]);
  });

  test("drain waits for what waits and what is in flight", async () => {
    const { batcher, next } = gated({ inflight: 1, maxRows: 1 });
    await batcher.drain();
    const calls = [batcher.call("a"), batcher.call("b")];
    let drained = false;
    const drain = batcher.drain().then(() => (drained = true));
    (await next()).answer();
    expect(drained).toBe(false);
    (await next()).answer();
    await Promise.all([...calls, drain]);
    expect(drained).toBe(true);
  });
});
