import { logger, task, wait } from "@trigger.dev/sdk";
import { greeting } from "../greeting";

export const helloWorld = task({
  id: "hello-world",
  run: async (payload: { name?: string }, { ctx }) => {
    const name = payload.name ?? "world";
    logger.info("greeting", { name, version: ctx.run.version });
    await wait.for({ seconds: 1 });
    return { message: `${greeting}, ${name}`, version: ctx.run.version };
  },
});

export const flaky = task({
  id: "flaky",
  retry: { maxAttempts: 3, minTimeoutInMs: 500, maxTimeoutInMs: 2_000, factor: 2 },
  run: async (payload: { failures?: number }, { ctx }) => {
    const failures = payload.failures ?? 1;
    if (ctx.attempt.number <= failures) throw new Error(`Attempt ${ctx.attempt.number} of ${failures + 1} fails on purpose`);
    return { attempts: ctx.attempt.number };
  },
});
