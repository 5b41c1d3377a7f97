import { expect, test } from "vitest";
import type { QueueCounts } from "../../engine/queueIndex/queueIndex";
import type { EnvironmentView } from "../../environments/types";
import { manualClock } from "../../platform/clock";
import { QueueSizeGuard } from "./queueSizeGuard";

const dev = { id: "c0000000000000000000000e1", type: "DEVELOPMENT" } as EnvironmentView;
const prod = { id: "c0000000000000000000000e2", type: "PRODUCTION" } as EnvironmentView;

function setUp(counts: () => Promise<Map<string, QueueCounts>>) {
  const clock = manualClock(1_000_000);
  let reads = 0;
  const index = {
    queueCounts: () => {
      reads++;
      return counts();
    },
  };
  const guard = new QueueSizeGuard(index, clock, { maximumDevQueueSize: 3, maximumDeployedQueueSize: 5 });
  return { clock, guard, reads: () => reads };
}
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("a full queue refuses, by the limit of its kind of environment, and another queue does not", async () => {
  const { guard, clock } = setUp(async () => new Map([["q", { queued: 3, running: 0 }]]));
  guard.admit(dev, "q");
  await settle();
  expect(() => guard.admit(dev, "q")).toThrow(/already holds 3 queued runs/);
  guard.admit(dev, "other");
  guard.admit(prod, "q");
  await settle();
  guard.admit(prod, "q");
  guard.admit(prod, "q");
  expect(() => guard.admit(prod, "q")).toThrow(/already holds 5/);
  clock.advance(1_000);
});

test("sizes are read at most once a second, and admitted runs count in between", async () => {
  let queued = 0;
  const { guard, clock, reads } = setUp(async () => new Map([["q", { queued, running: 0 }]]));
  for (let i = 0; i < 3; i++) guard.admit(dev, "q");
  expect(reads()).toBe(1);
  expect(() => guard.admit(dev, "q")).toThrow();
  await settle();
  queued = 2;
  clock.advance(1_000);
  guard.admit(dev, "q");
  await settle();
  guard.admit(dev, "q");
  expect(() => guard.admit(dev, "q")).toThrow();
  expect(reads()).toBe(2);
});

test("an index that is away refuses nothing", async () => {
  const { guard } = setUp(() => Promise.reject(new Error("connection lost")));
  guard.admit(dev, "q");
  await settle();
  guard.admit(dev, "q");
});
