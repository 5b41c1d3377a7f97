// Every SDK call of the wire protocol's sections 4.1, 4.3 and 4.4. Both module systems load this with their own SDK object;
// one JSON line per call is printed, so that the test can name the one that failed.
"use strict";

exports.runCalls = async function runCalls(sdk) {
  const { tasks, runs, auth, idempotencyKeys, configure } = sdk;
  configure({ baseURL: process.env.TRIGGER_API_URL, accessToken: process.env.TRIGGER_SECRET_KEY });
  const steps = [];
  const step = async (name, work) => {
    try {
      const value = await work();
      steps.push({ name, ok: true, value });
      return value;
    } catch (error) {
      steps.push({ name, ok: false, error: `${error && error.name}: ${error && error.message}` });
      return undefined;
    }
  };
  const expectError = async (work) => {
    try {
      await work();
    } catch (error) {
      return { name: error.name, status: error.status, message: error.message };
    }
    throw new Error("expected a refusal");
  };
  const settle = (id) => runs.poll(id, { pollIntervalMs: 100 });

  const plain = await step("tasks.trigger", () => tasks.trigger("hello", { name: "World", when: new Date(0) }));
  await step("runs.poll", async () => pick(await settle(plain.id)));
  await step("runs.retrieve", async () => {
    const run = await runs.retrieve(plain.id);
    return {
      ...pick(run),
      related: run.relatedRuns,
      attemptCount: run.attemptCount,
      payload: run.payload,
      atIsDate: run.output.at instanceof Date || typeof run.output.at,
    };
  });
  await step("tasks.trigger with options", async () => {
    const handle = await tasks.trigger(
      "hello",
      { name: "Options" },
      {
        tags: ["one", "two"],
        metadata: { a: 1 },
        maxAttempts: 2,
        maxDuration: 60,
        machine: "micro",
        priority: 5,
        ttl: "10m",
        queue: "single-file",
        concurrencyKey: "user-1",
      }
    );
    const run = await settle(handle.id);
    return { ...pick(run), tags: run.tags, metadata: run.metadata, ttl: run.ttl };
  });
  await step("tasks.trigger without payload", async () => pick(await settle((await tasks.trigger("no-payload")).id)));
  await step("idempotencyKey", async () => {
    const key = await idempotencyKeys.create(`key-${Date.now()}-${Math.random()}`, { scope: "global" });
    const first = await tasks.trigger("hello", { name: "A" }, { idempotencyKey: key });
    const second = await tasks.trigger("hello", { name: "B" }, { idempotencyKey: key, idempotencyKeyTTL: "5m" });
    await settle(first.id);
    return { same: first.id === second.id };
  });
  await step("idempotencyKeys.reset", async () => {
    const key = `reset-${Date.now()}-${Math.random()}`;
    const first = await tasks.trigger("hello", { name: "A" }, { idempotencyKey: key });
    await idempotencyKeys.reset("hello", key, { scope: "global" }).catch(async (error) => {
      if (!/scope/i.test(error.message)) throw error;
      await idempotencyKeys.reset("hello", key);
    });
    const second = await tasks.trigger("hello", { name: "B" }, { idempotencyKey: key });
    await Promise.all([settle(first.id), settle(second.id)]);
    return { different: first.id !== second.id };
  });
  await step("idempotencyKeys.reset unknown", () => expectError(() => idempotencyKeys.reset("hello", "never-used", { scope: "global" })));
  const delayed = await step("delay", async () => {
    const handle = await tasks.trigger("hello", { name: "Later" }, { delay: "1h" });
    const run = await runs.retrieve(handle.id);
    return { id: handle.id, status: run.status, delayed: run.delayedUntil instanceof Date };
  });
  await step("runs.reschedule", async () => {
    const run = await runs.reschedule(delayed.id, { delay: new Date(Date.now() + 200) });
    return { before: run.status, after: (await settle(delayed.id)).status };
  });
  await step("runs.reschedule when finished", () => expectError(() => runs.reschedule(plain.id, { delay: "1h" })));
  await step("runs.cancel queued", async () => {
    const handle = await tasks.trigger("hello", { name: "Never" }, { delay: "1h" });
    await runs.cancel(handle.id);
    const run = await runs.retrieve(handle.id);
    return { ...pick(run), finished: run.finishedAt instanceof Date };
  });
  await step("runs.cancel executing", async () => {
    const handle = await tasks.trigger("sleeper", { ms: 30000 });
    await waitFor(async () => (await runs.retrieve(handle.id)).status === "EXECUTING");
    await runs.cancel(handle.id);
    return pick(await settle(handle.id));
  });
  await step("runs.cancel twice", async () => {
    const answer = await runs.cancel(plain.id);
    return { id: answer.id === plain.id };
  });
  await step("runs.replay", async () => {
    const again = await runs.replay(plain.id);
    const run = await settle(again.id);
    return { ...pick(run), other: again.id !== plain.id };
  });
  await step("failed run", async () => {
    const handle = await tasks.trigger("failing", { message: "boom" });
    const run = await settle(handle.id);
    return {
      ...pick(run),
      error: run.error && { name: run.error.name, message: run.error.message, stack: Boolean(run.error.stackTrace) },
      attemptCount: run.attemptCount,
    };
  });
  await step("retried run", async () => {
    const run = await settle((await tasks.trigger("flaky", { failures: 2 })).id);
    return { ...pick(run), output: run.output, attemptCount: run.attemptCount };
  });
  await step("metadata and tags from the task", async () => {
    const run = await settle((await tasks.trigger("annotated", { count: 5 })).id);
    return { ...pick(run), metadata: run.metadata, tags: run.tags, output: run.output };
  });
  await step("large payload and output", async () => {
    const blob = "x".repeat(600 * 1024);
    const run = await settle((await tasks.trigger("large", { blob })).id);
    return { ...pick(run), length: run.output && run.output.length, echo: run.output && run.output.echo === blob };
  });
  await step("child run", async () => {
    const run = await settle((await tasks.trigger("parent", { name: "Child" })).id);
    const child = await settle(run.output.child);
    const related = await runs.retrieve(run.output.child);
    return {
      ...pick(child),
      parent: related.relatedRuns.parent && related.relatedRuns.parent.id === run.id,
      root: related.relatedRuns.root && related.relatedRuns.root.id === run.id,
    };
  });
  await step("runs.list", async () => {
    const page = await runs.list({ limit: 5 });
    const ids = [];
    for await (const run of runs.list({ limit: 3 })) {
      ids.push(run.id);
      if (ids.length >= 10) break;
    }
    return { page: page.data.length, next: page.hasNextPage(), unique: new Set(ids).size };
  });
  await step("runs.list filters", async () => {
    const one = async (filter) => (await runs.list({ limit: 100, ...filter })).data;
    const failed = await one({ status: ["FAILED"] });
    const tagged = await one({ tag: ["one", "two"] });
    const byTask = await one({ taskIdentifier: ["flaky"] });
    const recent = await one({ period: "1h" });
    const none = await one({ from: new Date(0), to: new Date(1000) });
    return {
      failed: failed.length > 0 && failed.every((run) => run.status === "FAILED"),
      tagged: tagged.length > 0 && tagged.every((run) => run.tags.includes("one")),
      byTask: byTask.length > 0 && byTask.every((run) => run.taskIdentifier === "flaky"),
      recent: recent.length > 0,
      none: none.length,
    };
  });
  await step("runs.retrieve unknown", () => expectError(() => runs.retrieve("run_c0000000000000000000000000")));
  await step("wrong key", () =>
    auth.withAuth({ accessToken: "tr_dev_wrongwrongwrongwrong", baseURL: process.env.TRIGGER_API_URL }, () =>
      expectError(() => tasks.trigger("hello", {}))
    )
  );
  await step("11 tags", () => expectError(() => tasks.trigger("hello", {}, { tags: Array.from({ length: 11 }, (_, i) => `t${i}`) })));
  await step("auth.createPublicToken", async () => {
    const token = await auth.createPublicToken({ scopes: { read: { runs: [plain.id] } } });
    return auth.withAuth({ accessToken: token, baseURL: process.env.TRIGGER_API_URL }, async () => {
      const run = await runs.retrieve(plain.id);
      const other = await expectError(() => runs.retrieve(delayed.id));
      return { allowed: run.id === plain.id, refused: other.status };
    });
  });
  await step("auth.createTriggerPublicToken", async () => {
    const token = await auth.createTriggerPublicToken("hello");
    return auth.withAuth({ accessToken: token, baseURL: process.env.TRIGGER_API_URL }, async () => {
      const handle = await tasks.trigger("hello", { name: "Browser" });
      const again = await expectError(() => tasks.trigger("hello", { name: "Browser again" }));
      return { id: /^run_/.test(handle.id), again: again.status };
    });
  });
  await step("publicAccessToken of a handle", async () => {
    const handle = await tasks.trigger("hello", { name: "Handle" });
    return auth.withAuth({ accessToken: handle.publicAccessToken, baseURL: process.env.TRIGGER_API_URL }, async () =>
      pick(await settle(handle.id))
    );
  });
  return steps;

  function pick(run) {
    return {
      status: run.status,
      isCompleted: run.isCompleted,
      isSuccess: run.isSuccess,
      isFailed: run.isFailed,
      isCancelled: run.isCancelled,
    };
  }
  async function waitFor(check) {
    for (let i = 0; i < 300; i++) {
      if (await check()) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error("waited 15 s in vain");
  }
};
