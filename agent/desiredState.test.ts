import { describe, expect, it } from "vitest";
import { manualClock } from "../app/platform/clock";
import { silentLogger } from "../app/platform/logger";
import { followDesiredState } from "./desiredState";
import { FULL_SYNC_INTERVAL_MS, type DesiredDeployment } from "./protocol";

function server() {
  const calls = { desired: 0, after: [] as number[] };
  return {
    calls,
    cursor: 7,
    changed: [] as string[],
    fail: false,
    desired() {
      calls.desired++;
      return Promise.resolve({ deployments: [] as DesiredDeployment[], cursor: this.cursor });
    },
    changes(after: number) {
      calls.after.push(after);
      return this.fail ? Promise.reject(new Error("cut")) : Promise.resolve({ deploymentIds: this.changed, cursor: this.cursor });
    },
  };
}

describe("followDesiredState", () => {
  it("reads the whole once, then waits for changes and reads again after each", async () => {
    const source = server();
    const clock = manualClock(0);
    let seen = 0;
    const loop = followDesiredState({ server: source, log: silentLogger, now: clock.now, onDesired: () => seen++ });
    await loop.runOnce();
    source.cursor = 9;
    await loop.runOnce();
    expect(source.calls).toEqual({ desired: 1, after: [7, 7] });
    source.changed = ["d1"];
    await loop.runOnce();
    expect(source.calls.after).toEqual([7, 7, 9]);
    source.changed = [];
    await loop.runOnce();
    expect(seen).toBe(2);
  });

  it("96: a lost change is repaired by the full read within 60 s", async () => {
    const source = server();
    const clock = manualClock(0);
    const loop = followDesiredState({ server: source, log: silentLogger, now: clock.now, onDesired: () => undefined });
    await loop.runOnce();
    clock.advance(FULL_SYNC_INTERVAL_MS - 1);
    await loop.runOnce();
    expect(source.calls.desired).toBe(1);
    clock.advance(1);
    await loop.runOnce();
    expect(source.calls.desired).toBe(2);
  });

  it("reads the whole again after the server was away", async () => {
    const source = server();
    const loop = followDesiredState({ server: source, log: silentLogger, now: () => 0, onDesired: () => undefined });
    source.fail = true;
    await expect(loop.runOnce()).rejects.toThrow("cut");
    source.fail = false;
    await loop.runOnce();
    expect(source.calls.desired).toBe(2);
  });
});
