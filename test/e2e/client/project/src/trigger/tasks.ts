import { appendFileSync } from "node:fs";
import { logger, metadata, queue, tags, task } from "@trigger.dev/sdk";

/** Tests count executions by lines in this file: one line per attempt that entered user code. */
function record(line: string): void {
  const file = process.env.SLUICE_E2E_LOG;
  if (file) appendFileSync(file, `${line}\n`);
}

export const hello = task({
  id: "hello",
  run: async (payload: { name: string }, { ctx }) => {
    record(`hello ${ctx.run.id} ${ctx.attempt.number}`);
    logger.info("saying hello", { name: payload.name });
    return { greeting: `Hello, ${payload.name}`, at: new Date("2026-01-02T03:04:05.678Z"), attempt: ctx.attempt.number };
  },
});

export const failing = task({
  id: "failing",
  retry: { maxAttempts: 3, minTimeoutInMs: 300, maxTimeoutInMs: 300, factor: 1, randomize: false },
  run: async (payload: { message: string }, { ctx }) => {
    record(`failing ${ctx.run.id} ${ctx.attempt.number}`);
    throw new Error(`${payload.message} (attempt ${ctx.attempt.number})`);
  },
});

export const flaky = task({
  id: "flaky",
  retry: { maxAttempts: 3, minTimeoutInMs: 300, maxTimeoutInMs: 300, factor: 1, randomize: false },
  run: async (payload: { failures: number }, { ctx }) => {
    record(`flaky ${ctx.run.id} ${ctx.attempt.number}`);
    if (ctx.attempt.number <= payload.failures) throw new Error(`failure ${ctx.attempt.number}`);
    return { attempts: ctx.attempt.number };
  },
});

export const sleeper = task({
  id: "sleeper",
  retry: { maxAttempts: 1 },
  run: async (payload: { ms: number }, { ctx, signal }) => {
    record(`sleeper ${ctx.run.id} ${ctx.attempt.number}`);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(resolve, payload.ms);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(new Error("aborted"));
      });
    });
    record(`slept ${ctx.run.id}`);
    return { slept: payload.ms };
  },
  onCancel: async ({ ctx }) => {
    record(`cancelled ${ctx.run.id} ${Date.now()}`);
  },
});

export const annotated = task({
  id: "annotated",
  run: async (payload: { count: number }) => {
    metadata.set("status", "started");
    for (let i = 0; i < payload.count; i++) metadata.increment("count", 1);
    metadata.append("log", "one");
    metadata.append("log", "two");
    metadata.set("status", "done");
    await tags.add(["from-task"]);
    return { env: process.env.SLUICE_E2E_VARIABLE ?? null };
  },
});

export const large = task({
  id: "large",
  run: async (payload: { blob: string }) => ({ length: payload.blob.length, echo: payload.blob }),
});

const single = queue({ name: "single-file", concurrencyLimit: 1 });
export const serial = task({
  id: "serial",
  queue: single,
  run: async (payload: { ms: number }, { ctx }) => {
    record(`serial-start ${ctx.run.id} ${Date.now()}`);
    await new Promise((resolve) => setTimeout(resolve, payload.ms));
    record(`serial-end ${ctx.run.id} ${Date.now()}`);
    return null;
  },
});

export const parent = task({
  id: "parent",
  run: async (payload: { name: string }) => {
    const child = await hello.trigger({ name: payload.name });
    return { child: child.id };
  },
});

export const noPayload = task({ id: "no-payload", run: async () => undefined });
