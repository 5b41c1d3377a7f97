/** Every SDK call of the wire protocol's sections 4.1, 4.3 and 4.4, from both module systems, against `trigger dev`. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DevSession, type DriverStep, runDriver, startDevSession } from "./support/devSession";
import { type Sluice, startSluice } from "./support/sluice";

let sluice: Sluice;
let dev: DevSession;

beforeAll(async () => {
  sluice = await startSluice();
  dev = await startDevSession(sluice);
});
afterAll(async () => {
  await dev?.stop();
  await sluice?.remove();
});

const done = (status: string, flags: Partial<Record<"isSuccess" | "isFailed" | "isCancelled", boolean>> = {}) => ({
  status,
  isCompleted: true,
  isSuccess: false,
  isFailed: false,
  isCancelled: false,
  ...flags,
});
const completed = done("COMPLETED", { isSuccess: true });

/** What each step of `drivers/calls.cjs` must answer; steps that are missing here fail the test. */
const expected: Record<string, unknown> = {
  "tasks.trigger": expect.objectContaining({ id: expect.stringMatching(/^run_[0-9a-z]+$/) as string }),
  "runs.poll": completed,
  "runs.retrieve": expect.objectContaining({ ...completed, related: { children: [] }, attemptCount: 1 }),
  "tasks.trigger with options": { ...completed, tags: ["one", "two"], metadata: { a: 1 }, ttl: "10m" },
  "tasks.trigger without payload": completed,
  idempotencyKey: { same: true },
  "idempotencyKeys.reset": { different: true },
  "idempotencyKeys.reset unknown": expect.objectContaining({ status: 404 }),
  delay: expect.objectContaining({ status: "DELAYED", delayed: true }),
  "runs.reschedule": { before: "DELAYED", after: "COMPLETED" },
  "runs.reschedule when finished": expect.objectContaining({ status: 422 }),
  "runs.cancel queued": { ...done("CANCELED", { isCancelled: true }), finished: true },
  "runs.cancel executing": done("CANCELED", { isCancelled: true }),
  "runs.cancel twice": { id: true },
  "runs.replay": { ...completed, other: true },
  "failed run": {
    ...done("FAILED", { isFailed: true }),
    error: { name: "Error", message: "boom (attempt 3)", stack: true },
    attemptCount: 3,
  },
  "retried run": { ...completed, output: { attempts: 3 }, attemptCount: 3 },
  "metadata and tags from the task": {
    ...completed,
    metadata: { status: "done", count: 5, log: ["one", "two"] },
    tags: ["from-task"],
    output: { env: null },
  },
  "large payload and output": { ...completed, length: 600 * 1024, echo: true },
  "child run": { ...completed, parent: true, root: true },
  "runs.list": { page: 5, next: true, unique: 10 },
  "runs.list filters": { failed: true, tagged: true, byTask: true, recent: true, none: 0 },
  "runs.retrieve unknown": expect.objectContaining({ status: 404 }),
  "wrong key": expect.objectContaining({ status: 401 }),
  "11 tags": expect.objectContaining({ status: 422 }),
  "auth.createPublicToken": { allowed: true, refused: 403 },
  "auth.createTriggerPublicToken": { id: true, again: expect.any(Number) as number },
  "publicAccessToken of a handle": completed,
};

function check(steps: DriverStep[]): void {
  for (const step of steps) {
    expect.soft(step.error, `${step.name} failed`).toBeUndefined();
    if (!step.error) expect.soft(step.value, step.name).toEqual(expected[step.name]);
  }
  expect(steps.map((step) => step.name)).toEqual(Object.keys(expected));
}

describe("the unmodified SDK", () => {
  test("every call from an ES module", async () => check(await runDriver(sluice, "esm.mjs", 120_000)));
  test("every call from CommonJS", async () => check(await runDriver(sluice, "cjs.cjs", 120_000)));
});
