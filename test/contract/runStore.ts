/**
 * What every run store must do, whatever databases are behind it: the resident, and the router over one and over two of
 * them, run these same cases. Numbers refer to the tests named in the run engine's design.
 */
import { describe, expect, test } from "vitest";
import { RUN_STATUS_NAMES } from "../../app/runops/runStates";
import type { NewRun } from "../../app/runops/runStore";
import { cancelRunning, completion, dequeue, executing, failure, keyed, newRun, someId, type StoreUnderTest } from "./runStoreFixtures";

/** Cases on the life of single runs: trigger, hand out, start, change, finish. */
export function runStoreLifeContract(get: () => StoreUnderTest): void {
  describe("trigger", () => {
    test("creates a queued run at seq 1 (1)", async () => {
      const s = get();
      const run = newRun(s, {
        tags: ["a", 'quoted "b"', "back\\slash", "comma,{brace}"],
        parentSpanId: "00f067aa0ba902b7",
        options: { ttl: "10m", priority: 3 },
      });
      expect(await s.store.trigger(run)).toEqual({ kind: "created", runId: run.id });
      const detail = await s.store.getRun(run.envId, run.id);
      expect(detail).toMatchObject({ status: "PENDING", state: "QUEUED", seq: 1, attempt: 0, result: null });
      expect(detail?.header).toMatchObject({
        tags: run.tags,
        payload: run.payload,
        traceId: run.traceId,
        parentSpanId: run.parentSpanId,
        options: run.options,
        traceContext: run.traceContext,
      });
      expect(detail?.history).toMatchObject([{ seq: 1, state: "QUEUED" }]);
      expect((await s.store.getLive([run.id])).get(run.id)).toMatchObject({ state: "QUEUED", seq: 1, attemptSeq: null, score: run.score });
    });

    test("created again with the same id is one run, and does not revive a finished one", async () => {
      const s = get();
      const run = await executing(s, newRun(s));
      await s.store.finish(completion(run.id, 3));
      expect(await s.store.trigger(run)).toEqual({ kind: "created", runId: run.id });
      expect((await s.store.getLive([run.id])).size).toBe(0);
      expect((await s.store.getRun(run.envId, run.id))?.status).toBe("COMPLETED_SUCCESSFULLY");
    });

    test("fifty racing callers with one key get one run (129)", async () => {
      const s = get();
      const envId = someId();
      const runs = Array.from({ length: 50 }, () => keyed(s, "racing", { envId }));
      const outcomes = await Promise.all(runs.map((run) => s.store.trigger(run)));
      const ids = new Set(outcomes.map((outcome) => ("runId" in outcome ? outcome.runId : null)));
      expect(ids.size).toBe(1);
      expect(outcomes.filter((outcome) => outcome.kind === "created")).toHaveLength(1);
      expect((await s.store.listRuns({ envId, pageSize: 100 })).runs).toHaveLength(1);
    });

    test("an expired key makes a new run (130), a reset key too (132), and keys differ by task and environment (133)", async () => {
      const s = get();
      const first = keyed(s, "k");
      expect((await s.store.trigger(first)).kind).toBe("created");
      expect(await s.store.trigger(keyed(s, "k", { envId: first.envId }))).toEqual({ kind: "cached", runId: first.id });
      expect((await s.store.trigger(keyed(s, "k", { envId: first.envId, task: "other" }))).kind).toBe("created");
      expect((await s.store.trigger(keyed(s, "k"))).kind).toBe("created");
      expect(await s.store.resetIdempotencyKey(first.envId, "hello", "k")).toBe(first.id);
      expect(await s.store.resetIdempotencyKey(first.envId, "hello", "k")).toBeNull();
      const second = keyed(s, "k", { envId: first.envId });
      expect((await s.store.trigger(second)).kind).toBe("created");
      s.advance(3_600_001);
      expect((await s.store.trigger(keyed(s, "k", { envId: first.envId }))).kind).toBe("created");
    });

    test("a key is freed by a failure and kept by success and cancel (131)", async () => {
      const s = get();
      const failed = await executing(s, keyed(s, "failed"));
      await s.store.finish(failure(failed.id, 3));
      expect((await s.store.trigger(keyed(s, "failed", { envId: failed.envId }))).kind).toBe("created");
      const done = await executing(s, keyed(s, "done"));
      await s.store.finish(completion(done.id, 3));
      expect(await s.store.trigger(keyed(s, "done", { envId: done.envId }))).toEqual({ kind: "cached", runId: done.id });
      const cancelled = keyed(s, "cancelled");
      await s.store.trigger(cancelled);
      await s.store.finish(failure(cancelled.id, 0, { guard: { seq: 1 }, status: "CANCELED" }));
      expect(await s.store.trigger(keyed(s, "cancelled", { envId: cancelled.envId }))).toEqual({ kind: "cached", runId: cancelled.id });
    });

    test("a failure does not free a key that another run has taken over", async () => {
      const s = get();
      const first = await executing(s, keyed(s, "taken"));
      await s.store.resetIdempotencyKey(first.envId, first.task, "taken");
      const second = keyed(s, "taken", { envId: first.envId });
      await s.store.trigger(second);
      await s.store.finish(failure(first.id, 3));
      expect(await s.store.trigger(keyed(s, "taken", { envId: first.envId }))).toEqual({ kind: "cached", runId: second.id });
    });

    test("a repeated request answers the first run, within a group and across groups (134)", async () => {
      const s = get();
      const requestHash = Buffer.from(someId().slice(0, 16));
      const repeat = () => newRun(s, { requestHash });
      const outcomes = await Promise.all([repeat(), repeat(), repeat()].map((run) => s.store.trigger(run)));
      const created = outcomes.find((outcome) => outcome.kind === "created");
      expect(outcomes.filter((outcome) => outcome.kind === "replayed")).toHaveLength(2);
      expect(await s.store.trigger(repeat())).toEqual({ kind: "replayed", runId: created && "runId" in created ? created.runId : null });
      s.advance(600_000);
      expect((await s.store.trigger(repeat())).kind).toBe("replayed");
      expect((await s.store.trigger(keyed(s, "with-key", { requestHash }))).kind).toBe("replayed");
    });

    test("a replayed request leaves neither key nor token behind", async () => {
      const s = get();
      const requestHash = Buffer.from(someId().slice(0, 16));
      const first = newRun(s, { requestHash });
      await s.store.trigger(first);
      const token = { hash: Buffer.from("one"), expiresAt: new Date(s.now() + 60_000) };
      expect((await s.store.trigger(keyed(s, "k", { envId: first.envId, requestHash, oneTimeToken: token }))).kind).toBe("replayed");
      expect((await s.store.trigger(keyed(s, "k", { envId: first.envId, oneTimeToken: token }))).kind).toBe("created");
    });

    test("a one-time token works once, and its own repeat is answered (135)", async () => {
      const s = get();
      const token = { hash: Buffer.from("token"), expiresAt: new Date(s.now() + 60_000) };
      const requestHash = Buffer.from(someId().slice(0, 16));
      const first = keyed(s, "key", { oneTimeToken: token, requestHash });
      expect((await s.store.trigger(first)).kind).toBe("created");
      expect(await s.store.trigger(newRun(s, { envId: first.envId, oneTimeToken: token, requestHash }))).toEqual({
        kind: "replayed",
        runId: first.id,
      });
      expect(await s.store.trigger(newRun(s, { envId: first.envId, oneTimeToken: token }))).toEqual({ kind: "token-used" });
      const racing = Array.from({ length: 10 }, () =>
        newRun(s, { envId: first.envId, oneTimeToken: { ...token, hash: Buffer.from("raced") } })
      );
      const outcomes = await Promise.all(racing.map((run) => s.store.trigger(run)));
      expect(outcomes.filter((outcome) => outcome.kind === "created")).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome.kind === "token-used")).toHaveLength(9);
    });

    test("a refused token writes nothing", async () => {
      const s = get();
      const token = { hash: Buffer.from("token"), expiresAt: new Date(s.now() + 60_000) };
      const first = newRun(s, { oneTimeToken: token });
      await s.store.trigger(first);
      const refused = keyed(s, "k", { envId: first.envId, oneTimeToken: token });
      expect((await s.store.trigger(refused)).kind).toBe("token-used");
      expect(await s.store.getRun(first.envId, refused.id)).toBeNull();
      expect(await s.store.resetIdempotencyKey(first.envId, "hello", "k")).toBeNull();
    });

    test("a child of a cancelled parent is created final", async () => {
      const s = get();
      const parent = await executing(s, newRun(s));
      const child = (): NewRun => newRun(s, { envId: parent.envId, parentId: parent.id, rootId: parent.id, depth: 1 });
      expect((await s.store.trigger(child())).kind).toBe("created");
      await s.store.transition(cancelRunning(s, parent.id, 3));
      const late = child();
      expect(await s.store.trigger(late)).toEqual({ kind: "created-canceled", runId: late.id });
      expect(await s.store.getRun(parent.envId, late.id)).toMatchObject({
        status: "CANCELED",
        state: "FINISHED",
        seq: 1,
        result: { status: "CANCELED" },
      });
      await s.store.finish(completion(parent.id, 3));
      expect((await s.store.trigger(child())).kind).toBe("created-canceled");
      const done = await executing(s, newRun(s));
      await s.store.finish(completion(done.id, 3));
      expect((await s.store.trigger(newRun(s, { envId: done.envId, parentId: done.id }))).kind).toBe("created");
      expect((await s.store.trigger(newRun(s, { parentId: s.mint() }))).kind).toBe("created");
    });

    test("text that Postgres refuses is stored without it", async () => {
      const s = get();
      const run = newRun(s, { payload: "a\0b\ud800c", tags: ["t\0"], traceContext: { x: "\0\udfff" }, metadata: "m\0" });
      expect((await s.store.trigger(run)).kind).toBe("created");
      const detail = await s.store.getRun(run.envId, run.id);
      expect(detail?.header).toMatchObject({ payload: "ab\ufffdc", tags: ["t"], traceContext: { x: "\0\udfff" } });
      expect(detail?.metadata).toBe("m");
      await dequeue(s, run.id);
      await s.store.start({ runId: run.id, seq: 2, replayKey: null, maxAttempt: 250 });
      expect(await s.store.finish(failure(run.id, 3, { error: "\0\ud83d", output: "\udc00" }))).toMatchObject({ kind: "finished" });
      expect((await s.store.getRun(run.envId, run.id))?.result).toMatchObject({ error: "\ufffd", output: "\ufffd" });
    });

    test("a row that the database refuses fails alone (157)", async () => {
      const s = get();
      const runs = Array.from({ length: 9 }, (_, i) => newRun(s, i === 4 ? { traceId: "not hex" } : {}));
      const outcomes = await Promise.allSettled(runs.map((run) => s.store.trigger(run)));
      expect(outcomes.map((outcome) => outcome.status)).toEqual(runs.map((_, i) => (i === 4 ? "rejected" : "fulfilled")));
      expect(outcomes[4]).toMatchObject({ reason: { name: "AppError", status: 422 } });
    });
  });

  describe("dequeue and start", () => {
    test("hands out once, with the current version (2)", async () => {
      const s = get();
      const run = newRun(s);
      await s.store.trigger(run);
      const outcomes = await Promise.all([dequeue(s, run.id), dequeue(s, run.id)]);
      expect(outcomes.map((outcome) => outcome.kind).sort()).toEqual(["dequeued", "gone"]);
      const live = (await s.store.getLive([run.id])).get(run.id);
      expect(live).toMatchObject({ state: "PENDING_EXECUTING", status: "DEQUEUED", seq: 2, versionId: "v1", deliveries: 1 });
    });

    test("keeps the first started time and the version, and relocks when asked", async () => {
      const s = get();
      const run = newRun(s);
      await s.store.trigger(run);
      await dequeue(s, run.id);
      const before = (await s.store.getLive([run.id])).get(run.id);
      s.advance(1_000);
      const requeue = {
        epoch: 0,
        from: ["PENDING_EXECUTING"],
        to: { state: "QUEUED", status: "PENDING" },
        set: { queuedNow: true },
        bumpSeq: true,
      } as const;
      expect((await s.store.transition({ runId: run.id, seq: 2, ...requeue })).kind).toBe("changed");
      expect(await dequeue(s, run.id, { currentVersionId: "v2" })).toMatchObject({
        kind: "dequeued",
        live: { versionId: "v1", startedAt: before?.startedAt, deliveries: 2 },
      });
      await s.store.transition({ runId: run.id, seq: 4, ...requeue });
      expect(await dequeue(s, run.id, { currentVersionId: "v2", relock: true })).toMatchObject({
        kind: "dequeued",
        live: { versionId: "v2" },
      });
    });

    test("starts at exactly the quoted seq; a repeat of the same request is answered (3, 4, 5, 6)", async () => {
      const s = get();
      const run = newRun(s, { metadata: '{"m":1}' });
      await s.store.trigger(run);
      await dequeue(s, run.id);
      const start = (seq: number, replayKey: string | null) => s.store.start({ runId: run.id, seq, replayKey, maxAttempt: 250 });
      expect((await start(1, "a")).kind).toBe("refused");
      expect(await start(2, "a")).toMatchObject({
        kind: "started",
        header: { payload: run.payload },
        metadata: '{"m":1}',
        live: { attempt: 1, seq: 3, attemptSeq: 3 },
      });
      expect(await start(2, "a")).toMatchObject({ kind: "replayed", live: { attempt: 1 }, header: { payload: run.payload } });
      expect(await start(2, "b")).toMatchObject({ kind: "refused", current: { seq: 3 } });
      expect((await start(2, null)).kind).toBe("refused");
      expect(await s.store.start({ runId: s.mint(), seq: 2, replayKey: null, maxAttempt: 1 })).toEqual({ kind: "refused", current: null });
    });

    test("never starts more attempts than allowed (10)", async () => {
      const s = get();
      const run = await executing(s, newRun(s));
      const closed = await s.store.transition({
        runId: run.id,
        epoch: null,
        seq: 3,
        from: ["EXECUTING"],
        to: { state: "EXECUTING", status: "RETRYING_AFTER_FAILURE" },
        set: { attemptClosed: true },
        bumpSeq: true,
      });
      expect(closed).toMatchObject({ kind: "changed", live: { attemptClosed: true, seq: 4 } });
      expect(await s.store.start({ runId: run.id, seq: 4, replayKey: null, maxAttempt: 1 })).toMatchObject({
        kind: "refused",
        current: { attempt: 1 },
      });
      expect(await s.store.start({ runId: run.id, seq: 4, replayKey: null, maxAttempt: 2 })).toMatchObject({
        kind: "started",
        live: { attempt: 2, attemptClosed: false, attemptSeq: 5 },
      });
    });

    test("a group of an old epoch changes nothing", async () => {
      const s = get();
      const run = newRun(s);
      await s.store.trigger(run);
      expect((await dequeue(s, run.id, { epoch: -1 })).kind).toBe("stale-epoch");
      expect((await s.store.getLive([run.id])).get(run.id)?.seq).toBe(1);
      await executing(s, newRun(s, { envId: run.envId }));
      await dequeue(s, run.id);
      await s.store.start({ runId: run.id, seq: 2, replayKey: null, maxAttempt: 1 });
      expect(await s.store.finish(completion(run.id, 3, { epoch: 7 }))).toEqual({ kind: "stale-epoch" });
      expect(await s.store.transition({ ...cancelRunning(s, run.id, 3), epoch: 7 })).toEqual({ kind: "stale-epoch" });
    });
  });
}

/** Cases on how runs end, and on what beats what. */
export function runStoreFinishContract(get: () => StoreUnderTest): void {
  describe("finish", () => {
    test("replaces the live row by a result; a repeat is answered (7, 8, 11)", async () => {
      const s = get();
      const run = await executing(s, newRun(s, { metadata: "{}" }));
      s.advance(250);
      expect(await s.store.finish(completion(run.id, 3))).toMatchObject({
        kind: "finished",
        status: "COMPLETED_SUCCESSFULLY",
        finalSeq: 4,
        live: { seq: 3, state: "EXECUTING" },
      });
      expect(await s.store.finish(completion(run.id, 3))).toMatchObject({
        kind: "replayed",
        result: { output: '"done"', attempts: 1, attemptSeq: 3, finalSeq: 4 },
      });
      const detail = await s.store.getRun(run.envId, run.id);
      expect(detail).toMatchObject({
        state: "FINISHED",
        status: "COMPLETED_SUCCESSFULLY",
        usageMs: 100,
        costInCents: 0.5,
        metadata: "{}",
        versionId: "v1",
      });
      expect(detail?.result?.completedAt.getTime()).toBe(s.now());
      expect(detail?.history.map((entry) => [entry.seq, entry.state, entry.attempt])).toEqual([
        [1, "QUEUED", 0],
        [2, "PENDING_EXECUTING", 0],
        [3, "EXECUTING", 1],
        [4, "FINISHED", 1],
      ]);
      expect((await s.store.getLive([run.id])).size).toBe(0);
    });

    test("quotes of an earlier attempt are refused, quotes within the attempt are not (9)", async () => {
      const s = get();
      const run = await executing(s, newRun(s));
      await s.store.transition({
        runId: run.id,
        epoch: 0,
        seq: 3,
        from: ["EXECUTING"],
        to: { state: "QUEUED", status: "PENDING" },
        set: { attemptClosed: true },
        bumpSeq: true,
      });
      expect((await s.store.finish(completion(run.id, 3))).kind).toBe("attempt-closed");
      await dequeue(s, run.id);
      await s.store.start({ runId: run.id, seq: 5, replayKey: "second", maxAttempt: 250 });
      expect(await s.store.finish(completion(run.id, 3))).toMatchObject({ kind: "refused", current: { seq: 6, attempt: 2 } });
      expect(await s.store.finish(completion(run.id, 9))).toMatchObject({ kind: "refused" });
      await s.store.transition({
        runId: run.id,
        epoch: null,
        seq: 6,
        from: ["EXECUTING"],
        to: { state: "EXECUTING_WITH_WAITPOINTS", status: "EXECUTING" },
        set: {},
        bumpSeq: true,
      });
      expect(await s.store.finish(completion(run.id, 6))).toMatchObject({ kind: "finished", finalSeq: 8 });
      expect((await s.store.finish(completion(run.id, 3))).kind).toBe("refused");
    });

    test("a decision of the server needs the exact seq", async () => {
      const s = get();
      const run = newRun(s, { dueAt: new Date(s.now() + 1_000) });
      await s.store.trigger(run);
      const expire = (seq: number) => s.store.finish(failure(run.id, 0, { guard: { seq }, status: "EXPIRED" }));
      expect((await expire(2)).kind).toBe("refused");
      expect(await expire(1)).toMatchObject({ kind: "finished", status: "EXPIRED" });
      expect(await expire(1)).toMatchObject({ kind: "replayed", result: { status: "EXPIRED" } });
      expect(await s.store.finish(completion(s.mint(), 1))).toEqual({ kind: "refused", current: null, result: null });
    });

    test("completing a run that was cancelled meanwhile ends it cancelled, without its output (90)", async () => {
      const s = get();
      const run = await executing(s, newRun(s));
      expect(await s.store.transition(cancelRunning(s, run.id, 3))).toMatchObject({
        kind: "changed",
        live: { state: "PENDING_CANCEL", status: "CANCELED", seq: 4 },
      });
      expect((await s.store.getRun(run.envId, run.id))?.status).toBe("CANCELED");
      expect(await s.store.finish(completion(run.id, 3))).toMatchObject({ kind: "finished", status: "CANCELED", finalSeq: 5 });
      const result = (await s.store.getRun(run.envId, run.id))?.result;
      expect(result).toMatchObject({ status: "CANCELED", output: null });
      expect(result?.error).toContain("cancelled");
    });

    test("racing completions, cancels and stalls have exactly one outcome (91)", async () => {
      const s = get();
      for (let round = 0; round < 10; round++) {
        const run = await executing(s, newRun(s));
        const [complete, stall, cancel] = await Promise.all([
          s.store.finish(completion(run.id, 3)),
          s.store.finish(failure(run.id, 0, { guard: { seq: 3 }, status: "SYSTEM_FAILURE" })),
          s.store.transition(cancelRunning(s, run.id, 3)),
        ]);
        const ended = [complete, stall].filter((outcome) => outcome.kind === "finished");
        expect(ended).toHaveLength(1);
        const final = await s.store.getRun(run.envId, run.id);
        expect(final?.history).toHaveLength(cancel.kind === "changed" ? 5 : 4);
        expect(final?.status === "CANCELED").toBe(cancel.kind === "changed");
      }
    });

    test("usage adds up over attempts and stops at int4 (30)", async () => {
      const s = get();
      const run = await executing(s, newRun(s));
      await s.store.transition({
        runId: run.id,
        epoch: null,
        seq: 3,
        from: ["EXECUTING"],
        to: { state: "EXECUTING", status: "RETRYING_AFTER_FAILURE" },
        set: { attemptClosed: true, addUsageMs: 50, addCostInCents: 1, lastError: "first" },
        bumpSeq: true,
      });
      expect((await s.store.getRun(run.envId, run.id))?.lastError).toBe("first");
      await s.store.start({ runId: run.id, seq: 4, replayKey: null, maxAttempt: 250 });
      await s.store.finish(completion(run.id, 5, { usageMs: 4e9, costInCents: 0.25 }));
      expect((await s.store.getRun(run.envId, run.id))?.result).toMatchObject({ usageMs: 2_147_483_647, costInCents: 1.25, attempts: 2 });
    });

    test("metadata of a completion is guarded by its version", async () => {
      const s = get();
      const run = await executing(s, newRun(s, { metadata: "{}" }));
      expect(await s.store.updateMetadata(run.envId, { runId: run.id, text: '{"n":1}', expectVersion: 0 })).toBe(true);
      expect(await s.store.finish(completion(run.id, 3, { metadata: { text: '{"n":2}', expectVersion: 0 } }))).toEqual({
        kind: "metadata-conflict",
      });
      expect((await s.store.finish(completion(run.id, 3, { metadata: { text: '{"n":2}', expectVersion: 1 } }))).kind).toBe("finished");
      expect(await s.store.getRun(run.envId, run.id)).toMatchObject({ metadata: '{"n":2}', metadataVersion: 2 });
      expect(await s.store.updateMetadata(run.envId, { runId: run.id, text: '{"n":3}', expectVersion: 2 })).toBe(true);
      expect(await s.store.updateMetadata(someId(), { runId: run.id, text: "{}", expectVersion: 3 })).toBe(false);
      expect((await s.store.getRun(run.envId, run.id))?.result).toMatchObject({ metadata: '{"n":3}', metadataVersion: 3 });
    });
  });

  describe("transition", () => {
    test("changes only what is set, at the quoted seq and in an allowed state", async () => {
      const s = get();
      const dueAt = new Date(s.now() + 5_000);
      const run = newRun(s, { initial: { state: "DELAYED", status: "DELAYED" }, dueAt });
      await s.store.trigger(run);
      const move = {
        runId: run.id,
        epoch: null,
        seq: 1,
        from: ["DELAYED"],
        to: { state: "DELAYED", status: "DELAYED" },
        bumpSeq: true,
      } as const;
      expect(await s.store.transition({ ...move, seq: 2, set: {} })).toMatchObject({ kind: "missed", current: { seq: 1 } });
      expect(await s.store.transition({ ...move, from: ["QUEUED"], set: {} })).toMatchObject({ kind: "missed" });
      expect(await s.store.transition({ ...move, set: { machine: "small-2x", score: 5 } })).toMatchObject({
        kind: "changed",
        live: { machine: "small-2x", score: 5, dueAt, seq: 2 },
      });
      expect(await s.store.transition({ ...move, seq: 2, set: { dueAt: null, machine: null } })).toMatchObject({
        kind: "changed",
        live: { machine: null, score: 5, dueAt: null },
      });
      expect(await s.store.transition({ ...move, runId: s.mint(), set: {} })).toEqual({ kind: "missed", current: null });
    });

    test("moves a queued run to another region: its lane follows, its header stays", async () => {
      const s = get();
      const [moved, stays] = [newRun(s, { region: "here" }), newRun(s, { region: "here" })];
      await Promise.all([s.store.trigger(moved), s.store.trigger(stays)]);
      const to = { state: "QUEUED", status: "PENDING" } as const;
      const request = { runId: moved.id, epoch: null, seq: 1, from: ["QUEUED"], to, bumpSeq: false } as const;
      const outcome = await s.store.transition({ ...request, set: { region: "there" } });
      expect(outcome).toMatchObject({ kind: "changed", live: { seq: 1, lane: { region: "there", queue: moved.queue } } });
      expect((await s.store.queuedInRegion("there", null, 10)).map((run) => run.id)).toEqual([moved.id]);
      expect((await s.store.queuedInRegion("here", null, 100)).map((run) => run.id)).toEqual([stays.id]);
      expect(await s.store.queuedInRegion("here", stays.id, 10)).toEqual([]);
      expect(await s.store.placeOf(moved.id)).toEqual({ envId: moved.envId, region: "there" });
      expect((await s.store.getRun(moved.envId, moved.id))?.header.region).toBe("here");
    });

    test("says where a run is handed out, also when it is over; nothing of an unknown one", async () => {
      const s = get();
      const run = await executing(s, newRun(s, { region: "place" }));
      expect(await s.store.placeOf(run.id)).toEqual({ envId: run.envId, region: "place" });
      await s.store.finish(completion(run.id, 3));
      expect(await s.store.placeOf(run.id)).toEqual({ envId: run.envId, region: "place" });
      expect(await s.store.placeOf(s.mint())).toBeNull();
      expect(await s.store.placeOf("nonsense")).toBeNull();
    });

    test("hands a run over without a version when none is current", async () => {
      const s = get();
      const run = newRun(s);
      await s.store.trigger(run);
      expect(await dequeue(s, run.id, { currentVersionId: null })).toMatchObject({ kind: "dequeued", live: { versionId: null } });
    });

    test("RETRY_WAIT to QUEUED keeps the snapshot", async () => {
      const s = get();
      const run = await executing(s, newRun(s));
      await s.store.transition({
        runId: run.id,
        epoch: 0,
        seq: 3,
        from: ["EXECUTING"],
        to: { state: "RETRY_WAIT", status: "PENDING" },
        set: { attemptClosed: true, dueAt: new Date(s.now() + 50) },
        bumpSeq: true,
      });
      expect(
        await s.store.transition({
          runId: run.id,
          epoch: null,
          seq: 4,
          from: ["RETRY_WAIT"],
          to: { state: "QUEUED", status: "PENDING" },
          set: { dueAt: null },
          bumpSeq: false,
        })
      ).toMatchObject({
        kind: "changed",
        live: { seq: 4, state: "QUEUED" },
      });
      expect((await s.store.getRun(run.envId, run.id))?.history).toHaveLength(4);
    });

    test("two changes of one run in one tick are one (in-group conflict)", async () => {
      const s = get();
      const run = await executing(s, newRun(s));
      const wait = () =>
        s.store.transition({
          runId: run.id,
          epoch: null,
          seq: 3,
          from: ["EXECUTING"],
          to: { state: "EXECUTING_WITH_WAITPOINTS", status: "EXECUTING" },
          set: {},
          bumpSeq: true,
        });
      const kinds = (await Promise.all([wait(), wait(), wait()])).map((outcome) => outcome.kind);
      expect(kinds.sort()).toEqual(["changed", "missed", "missed"]);
    });

    test("history stays bounded and right at both ends (14, 15, 16)", async () => {
      const s = get();
      const run = await executing(s, newRun(s));
      for (let seq = 3; seq < 320; seq++) {
        s.advance(1_000);
        const waiting = seq % 2 === 1;
        const to = waiting ? "EXECUTING_WITH_WAITPOINTS" : "EXECUTING";
        await s.store.transition({
          runId: run.id,
          epoch: null,
          seq,
          from: ["EXECUTING", "EXECUTING_WITH_WAITPOINTS"],
          to: { state: to, status: "EXECUTING" },
          set: {},
          bumpSeq: true,
        });
      }
      const detail = await s.store.getRun(run.envId, run.id);
      expect(detail?.history.length).toBeLessThan(260);
      expect(detail?.history.at(0)).toMatchObject({ seq: 1, state: "QUEUED" });
      expect(detail?.history.slice(-3).map((entry) => entry.seq)).toEqual([318, 319, 320]);
      expect(detail?.history.at(-1)).toMatchObject({ attempt: 1, at: new Date(s.now()) });
    });
  });

  test("every stored status has a name", () => {
    expect(RUN_STATUS_NAMES.length).toBeGreaterThan(13);
  });
}
