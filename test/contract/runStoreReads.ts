/** What every run store must do when it is read: lists, timers, scans for the index, rare writes, epochs and locks. */
import { describe, expect, test } from "vitest";
import type { NewRun, RunFilter, RunPage } from "../../app/runops/runStore";
import { cancelRunning, completion, dequeue, executing, failure, keyed, newRun, someId, type StoreUnderTest } from "./runStoreFixtures";

/** Cases on lists and single reads. */
export function runStoreListContract(get: () => StoreUnderTest): void {
  async function many(count: number, over: (i: number) => Partial<NewRun> = () => ({})): Promise<{ envId: string; runs: NewRun[] }> {
    const s = get();
    const envId = someId();
    const runs: NewRun[] = [];
    for (let i = 0; i < count; i++) {
      s.advance(1);
      runs.push(newRun(s, { id: s.mint(i), envId, ...over(i) }));
    }
    await Promise.all(runs.map((run) => s.store.trigger(run)));
    return { envId, runs };
  }
  const ids = (page: RunPage) => page.runs.map((run) => run.header.id);

  describe("lists", () => {
    test("newest first, paged forward and back, page size 1 and 100 (140)", async () => {
      const s = get();
      const { envId, runs } = await many(25);
      const newest = runs.map((run) => run.id).reverse();
      for (const pageSize of [1, 7, 100]) {
        const forward: string[] = [];
        let page = await s.store.listRuns({ envId, pageSize });
        expect(page.previous).toBeNull();
        for (;;) {
          forward.push(...ids(page));
          if (page.next === null) break;
          page = await s.store.listRuns({ envId, pageSize, after: page.next });
        }
        expect(forward).toEqual(newest);
        const back: string[] = [...ids(page)];
        while (page.previous !== null) {
          page = await s.store.listRuns({ envId, pageSize, before: page.previous });
          back.unshift(...ids(page));
        }
        expect(back).toEqual(newest);
      }
    });

    test("pages stay stable while runs are added", async () => {
      const s = get();
      const { envId, runs } = await many(6);
      const first = await s.store.listRuns({ envId, pageSize: 3 });
      s.advance(10);
      await s.store.trigger(newRun(s, { envId }));
      const second = await s.store.listRuns({ envId, pageSize: 3, after: first.next ?? "" });
      expect([...ids(first), ...ids(second)]).toEqual(runs.map((run) => run.id).reverse());
    });

    test("shows only the environment asked for, and nothing of an unknown one", async () => {
      const s = get();
      const { envId, runs } = await many(2);
      expect(await s.store.listRuns({ envId: someId(), pageSize: 10 })).toEqual({ runs: [], next: null, previous: null });
      const [run] = runs;
      expect(await s.store.getRun(someId(), run?.id ?? "")).toBeNull();
      expect((await s.store.getRuns(someId(), [run?.id ?? ""])).size).toBe(0);
      expect([...(await s.store.getRuns(envId, [run?.id ?? "", s.mint(), "nonsense"])).keys()]).toEqual([run?.id]);
      expect(await s.store.getRun(envId, "nonsense")).toBeNull();
      await expect(s.store.listRuns({ envId, pageSize: 10, after: "nonsense" })).rejects.toMatchObject({ status: 400 });
    });

    test("every filter, alone and together (140)", async () => {
      const s = get();
      const [batchId, scheduleId, parentId] = [someId(), someId(), s.mint(0)];
      const { envId, runs } = await many(8, (i) => ({
        task: i % 2 ? "odd" : "even",
        queue: i < 4 ? "low" : "high",
        region: i === 3 ? "eu" : "main",
        isTest: i === 5,
        tags: i === 1 ? ["red", "blue"] : i === 2 ? ["red"] : [],
        ...(i === 6 ? { batchId, batchIndex: 0 } : {}),
        ...(i === 4 ? { scheduleId } : {}),
        ...(i === 0 ? { id: s.mint(0), parentId } : {}),
        versionId: i === 7 ? "pinned" : null,
      }));
      const matching = async (filter: Partial<RunFilter>) => {
        const page = await s.store.listRuns({ envId, pageSize: 50, ...filter });
        return ids(page)
          .map((id) => runs.findIndex((run) => run.id === id))
          .sort();
      };
      expect(await matching({ tasks: ["odd"] })).toEqual([1, 3, 5, 7]);
      expect(await matching({ queues: ["low", "none"] })).toEqual([0, 1, 2, 3]);
      expect(await matching({ regions: ["eu"] })).toEqual([3]);
      expect(await matching({ isTest: true })).toEqual([5]);
      expect(await matching({ tags: ["red"] })).toEqual([1, 2]);
      expect(await matching({ tags: ["red", "blue"] })).toEqual([1]);
      expect(await matching({ batchId })).toEqual([6]);
      expect(await matching({ scheduleId })).toEqual([4]);
      expect(await matching({ parentId })).toEqual([0]);
      expect(await matching({ rootOnly: true })).toEqual([1, 2, 3, 4, 5, 6, 7]);
      expect(await matching({ versionIds: ["pinned"] })).toEqual([7]);
      expect(await matching({ createdFrom: new Date(s.now() - 2) })).toEqual([5, 6, 7]);
      expect(await matching({ createdTo: new Date(s.now() - 6) })).toEqual([0, 1]);
      expect(await matching({ tasks: ["odd"], queues: ["high"], isTest: false })).toEqual([7]);
      expect(await matching({ tags: ["none"] })).toEqual([]);
    });

    test("filters by status and machine, live and final (140)", async () => {
      const s = get();
      const { envId, runs } = await many(6);
      const [a, b, c, d] = runs.map((run) => run.id) as [string, string, string, string];
      for (const id of [a, b, c]) {
        await dequeue(s, id);
        await s.store.start({ runId: id, seq: 2, replayKey: null, maxAttempt: 9 });
      }
      await s.store.finish(completion(a, 3));
      await s.store.finish(failure(b, 3));
      await s.store.transition({
        runId: d,
        epoch: null,
        seq: 1,
        from: ["QUEUED"],
        to: { state: "QUEUED", status: "PENDING" },
        set: { machine: "large-1x" },
        bumpSeq: true,
      });
      const matching = async (filter: Partial<RunFilter>) => ids(await s.store.listRuns({ envId, pageSize: 50, ...filter }));
      expect(await matching({ statuses: ["COMPLETED_SUCCESSFULLY"] })).toEqual([a]);
      expect(await matching({ statuses: ["COMPLETED_WITH_ERRORS", "COMPLETED_SUCCESSFULLY"] })).toEqual([b, a]);
      expect(await matching({ statuses: ["EXECUTING"] })).toEqual([c]);
      expect(await matching({ statuses: ["EXECUTING", "COMPLETED_SUCCESSFULLY"] })).toEqual([c, a]);
      expect(await matching({ machines: ["large-1x"] })).toEqual([d]);
      const first = await s.store.listRuns({ envId, pageSize: 1, statuses: ["COMPLETED_WITH_ERRORS", "COMPLETED_SUCCESSFULLY"] });
      expect([ids(first), first.next]).toEqual([[b], b]);
      expect(
        ids(await s.store.listRuns({ envId, pageSize: 1, statuses: ["COMPLETED_WITH_ERRORS", "COMPLETED_SUCCESSFULLY"], after: b }))
      ).toEqual([a]);
      expect(
        ids(await s.store.listRuns({ envId, pageSize: 1, statuses: ["COMPLETED_WITH_ERRORS", "COMPLETED_SUCCESSFULLY"], before: a }))
      ).toEqual([b]);
    });

    test("list rows carry the state, the error and the completion", async () => {
      const s = get();
      const run = await executing(s, newRun(s));
      await s.store.finish(failure(run.id, 3));
      const item = (await s.store.listRuns({ envId: run.envId, pageSize: 1 })).runs[0];
      expect(item).toMatchObject({
        status: "COMPLETED_WITH_ERRORS",
        state: "FINISHED",
        attempt: 1,
        seq: 4,
        completedAt: new Date(s.now()),
      });
      expect(item?.error).toContain("STRING_ERROR");
      expect(item?.header).not.toHaveProperty("payload");
    });

    test("children, oldest first", async () => {
      const s = get();
      const parent = newRun(s);
      await s.store.trigger(parent);
      const children: string[] = [];
      for (let i = 0; i < 4; i++) {
        s.advance(1);
        const child = newRun(s, { envId: parent.envId, parentId: parent.id, rootId: parent.id, depth: 1 });
        children.push(child.id);
        await s.store.trigger(child);
      }
      expect((await s.store.childrenOf(parent.envId, parent.id, 3)).map((run) => run.header.id)).toEqual(children.slice(0, 3));
      expect(await s.store.childrenOf(someId(), parent.id, 3)).toEqual([]);
    });
  });
}

/** Cases on rare writes, timers, scans and the epoch. */
export function runStoreUpkeepContract(get: () => StoreUnderTest): void {
  describe("tags and metadata", () => {
    test("add tags up to the cap, concurrently without loss (136)", async () => {
      const s = get();
      const run = newRun(s, { tags: ["a"] });
      await s.store.trigger(run);
      expect(await s.store.addTags(run.envId, run.id, ["b", "a", "b"], 10)).toEqual(["a", "b"]);
      await Promise.all(["c", "d", "e", "f"].map((tag) => s.store.addTags(run.envId, run.id, [tag], 10)));
      expect((await s.store.getRun(run.envId, run.id))?.header.tags.toSorted()).toEqual(["a", "b", "c", "d", "e", "f"]);
      expect(await s.store.addTags(run.envId, run.id, ["1", "2", "3", "4", "5"], 10)).toBeNull();
      expect(await s.store.addTags(someId(), run.id, ["x"], 10)).toBeUndefined();
      expect(await s.store.addTags(run.envId, "nonsense", ["x"], 10)).toBeUndefined();
    });

    test("racing metadata writes of one version: one wins", async () => {
      const s = get();
      const run = newRun(s);
      await s.store.trigger(run);
      const won = await Promise.all(
        Array.from({ length: 5 }, (_, i) => s.store.updateMetadata(run.envId, { runId: run.id, text: `{"n":${i}}`, expectVersion: 0 }))
      );
      expect(won.filter(Boolean)).toHaveLength(1);
    });
  });

  describe("cancel cascades", () => {
    test("a cancel notes the run until it is cleared; its later completion does not note it again", async () => {
      const s = get();
      const queued = newRun(s);
      await s.store.trigger(queued);
      await s.store.finish(failure(queued.id, 0, { guard: { seq: 1 }, status: "CANCELED" }));
      const running = await executing(s, newRun(s));
      await s.store.transition(cancelRunning(s, running.id, 3));
      const noted = async () => (await s.store.pendingCascades(1_000)).map((row) => row.runId);
      expect(await noted()).toEqual(expect.arrayContaining([queued.id, running.id]));
      await s.store.clearCascade(queued.id);
      await s.store.clearCascade(running.id);
      await s.store.finish(completion(running.id, 3));
      const left = await noted();
      expect(left).not.toContain(queued.id);
      expect(left).not.toContain(running.id);
    });
  });

  describe("timers and scans", () => {
    test("due runs in order, and the next due time", async () => {
      const s = get();
      s.advance(86_400_000);
      const base = s.now();
      const runs = [30, 10, 20].map((ms, i) =>
        newRun(s, { id: s.mint(i), dueAt: new Date(base + ms), options: { ttl: "10m", ttlSeconds: 600 } })
      );
      await Promise.all(runs.map((run) => s.store.trigger(run)));
      const due = await s.store.dueRuns(new Date(base), new Date(base + 20), 10);
      expect(due.map((run) => run.id)).toEqual([runs[1]?.id, runs[2]?.id]);
      expect(due[0]).toMatchObject({ options: { ttlSeconds: 600 }, task: "hello", state: "QUEUED" });
      expect(await s.store.nextDueAt(new Date(base))).toEqual(new Date(base + 10));
      expect(await s.store.nextDueAt(new Date(base + 30))).toBeNull();
      expect(await s.store.dueRuns(new Date(base), new Date(base + 99), 1)).toHaveLength(1);
    });

    test("parked runs of an environment, paged by id", async () => {
      const s = get();
      const envId = someId();
      const parked = Array.from({ length: 5 }, (_, i) =>
        newRun(s, {
          id: s.mint(i),
          envId,
          initial: { state: "RUN_CREATED", status: "PENDING_VERSION", reason: "No version has the task." },
        })
      );
      await Promise.all([...parked, newRun(s, { envId })].map((run) => s.store.trigger(run)));
      expect((await s.store.getRun(envId, parked[0]?.id ?? ""))?.reason).toBe("No version has the task.");
      const first = await s.store.pendingVersionRuns(envId, null, 3);
      const rest = await s.store.pendingVersionRuns(envId, first.at(-1)?.id ?? "", 3);
      expect([...first, ...rest].map((run) => run.id).sort()).toEqual(parked.map((run) => run.id).sort());
      for (const run of first) {
        await s.store.transition({
          runId: run.id,
          epoch: null,
          seq: 1,
          from: ["RUN_CREATED"],
          to: { state: "QUEUED", status: "PENDING" },
          set: { reason: null, queuedNow: true },
          bumpSeq: true,
        });
      }
      expect(await s.store.pendingVersionRuns(envId, null, 9)).toHaveLength(2);
    });

    test("versions that runs still need", async () => {
      const s = get();
      const [locked, used, queuedFor, unused] = [someId(), someId(), someId(), someId()];
      const all = [locked, used, queuedFor, unused];
      const run = newRun(s);
      await s.store.trigger(newRun(s, { versionId: queuedFor }));
      await s.store.trigger(run);
      await dequeue(s, run.id, { currentVersionId: locked });
      const done = newRun(s);
      await s.store.trigger(done);
      await dequeue(s, done.id, { currentVersionId: used });
      await s.store.start({ runId: done.id, seq: 2, replayKey: null, maxAttempt: 250 });
      const before = new Date(s.now());
      s.advance(1_000);
      expect(await s.store.versionsInUse(all, null)).toEqual(new Set([locked, used, queuedFor]));
      await s.store.finish(completion(done.id, 3));
      expect(await s.store.versionsInUse(all, null)).toEqual(new Set([locked, queuedFor]));
      expect(await s.store.versionsInUse(all, before)).toEqual(new Set([locked, used, queuedFor]));
      expect(await s.store.versionsInUse(all, new Date(s.now()))).toEqual(new Set([locked, queuedFor]));
      expect(await s.store.versionsInUse([], before)).toEqual(new Set());
    });

    test("scans for the index: all, changed since, queued in a span", async () => {
      const s = get();
      s.advance(3_600_000);
      const from = s.now();
      const queued = Array.from({ length: 4 }, (_, i) => newRun(s, { id: s.mint(i), concurrencyKey: "k" }));
      await Promise.all(queued.map((run) => s.store.trigger(run)));
      s.advance(1_000);
      const running = await executing(s, newRun(s));
      const expected = [...queued, running].map((run) => run.id);
      const all: string[] = [];
      for (let after: string | null = null; ; ) {
        const page = await s.store.scanIndexed(after, 2);
        all.push(...page.map((row) => row.id));
        if (page.length < 2) break;
        after = page.at(-1)?.id ?? null;
      }
      expect(new Set(all).size).toBe(all.length);
      expect(all).toEqual(expect.arrayContaining(expected));
      expect((await s.store.indexedSince(new Date(s.now()), null, 100)).map((row) => row.id)).toEqual([running.id]);
      const between = await s.store.queuedCreatedBetween(new Date(from), new Date(s.now() + 1), 100);
      expect(between.map((row) => row.id).sort()).toEqual(queued.map((run) => run.id).sort());
      expect(between[0]).toMatchObject({ state: "QUEUED", seq: 1, lane: { concurrencyKey: "k", queue: "task/hello", region: "main" } });
      expect(await s.store.queuedCreatedBetween(new Date(s.now() + 1), new Date(s.now() + 9), 100)).toEqual([]);
    });
  });

  describe("epoch and locks", () => {
    test("an announced rebuild holds groups back, the new epoch lets them on, the old one stays stale", async () => {
      const s = get();
      const run = newRun(s);
      await s.store.trigger(run);
      const before = await s.store.readEpoch();
      await s.store.announceRebuild("me");
      expect(await s.store.readEpoch()).toMatchObject({ epoch: before.epoch, rebuilding: true });
      expect((await dequeue(s, run.id, { epoch: before.epoch })).kind).toBe("stale-epoch");
      expect((await s.store.trigger(newRun(s))).kind).toBe("created");
      await expect(s.store.bumpEpoch("somebody else", "r")).rejects.toMatchObject({ name: "RetryableError" });
      const bumped = await s.store.bumpEpoch("me", "redis-2");
      expect(bumped).toEqual({ epoch: before.epoch + 1, redisRunId: "redis-2", rebuilding: true });
      expect((await dequeue(s, run.id, { epoch: before.epoch })).kind).toBe("stale-epoch");
      expect((await dequeue(s, run.id, { epoch: bumped.epoch })).kind).toBe("dequeued");
      await s.store.finishRebuild(bumped.epoch);
      expect(await s.store.readEpoch()).toEqual({ epoch: bumped.epoch, redisRunId: "redis-2", rebuilding: false });
    });

    test("the epoch is taken while groups never stop, and no group of the old one commits afterwards", async () => {
      const s = get();
      const { epoch } = await s.store.readEpoch();
      const runs = Array.from({ length: 200 }, (_, i) => newRun(s, { id: s.mint(i) }));
      await Promise.all(runs.map((run) => s.store.trigger(run)));
      let bumped = false;
      const late: string[] = [];
      const work = runs.map(async (run) => {
        const asked = bumped;
        const outcome = await dequeue(s, run.id, { epoch });
        if (outcome.kind === "dequeued" && asked) late.push(run.id);
      });
      await s.store.announceRebuild("me");
      await s.store.bumpEpoch("me", "r");
      bumped = true;
      const after = newRun(s);
      await s.store.trigger(after);
      expect((await dequeue(s, after.id, { epoch })).kind).toBe("stale-epoch");
      await Promise.all(work);
      await s.store.finishRebuild(epoch + 1);
      expect(late).toEqual([]);
    });

    test("one holder of a named lock at a time", async () => {
      const s = get();
      const inner = await s.store.withLock("test", async () => [
        await s.store.withLock("test", async () => 1),
        await s.store.withLock("other", async () => 2),
      ]);
      expect(inner).toEqual([null, 2]);
      expect(await s.store.withLock("test", async () => 3)).toBe(3);
      await expect(s.store.withLock("test", () => Promise.reject(new Error("inside")))).rejects.toThrow("inside");
      expect(await s.store.withLock("test", async () => 4)).toBe(4);
    });
  });

  test("a key that many environments use is one key in each", async () => {
    const s = get();
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => s.store.trigger(keyed(s, "shared"))));
    expect(outcomes.every((outcome) => outcome.kind === "created")).toBe(true);
  });
}
