import { expect, test } from "vitest";
import { itemsOf, laneOf } from "../../../test/indexFixture";
import { createLogger, silentLogger } from "../../platform/logger";
import { loadScript } from "../../platform/scripts.server";
import { indexScripts } from "./scripts.server";
import { IndexWriteQueue } from "./writes.server";

type Sent = { name: string; args: readonly (string | number)[] };

/** A queue whose replies the test decides. */
function queueWith(answer: (sent: Sent) => unknown) {
  const sent: Sent[] = [];
  const state = { isOpen: true, stale: 0 };
  const queue = new IndexWriteQueue({
    target: () =>
      state.isOpen
        ? {
            channel: "wake",
            sender: "me",
            run: async (script, args) => {
              sent.push({ name: script.name, args });
              return answer({ name: script.name, args });
            },
          }
        : null,
    onStale: () => {
      state.stale++;
      state.isOpen = false;
    },
    log: silentLogger,
  });
  return { queue, sent, state };
}

const lane = laneOf("e1");

test("writes of one tick go out as one call a kind, unless one run is written twice", async () => {
  const { queue, sent } = queueWith(() => 0);
  const [a, b] = itemsOf(lane, 2);
  if (!a || !b) throw new Error("two items expected");
  await Promise.all([
    queue.push({ kind: "enqueue", items: [a] }),
    queue.push({ kind: "release", items: [{ runId: "x", lane, seq: 1 }] }),
    queue.push({ kind: "enqueue", items: [b] }),
    queue.push({ kind: "release", items: [{ runId: a.runId, lane, seq: 1 }] }),
    queue.push({ kind: "enqueue", items: [a] }),
  ]);
  expect(sent.map((each) => each.name)).toEqual(["enqueue-1", "release-1", "enqueue-1"]);
  expect(queue.size()).toBe(0);
});

test("what a stale epoch refused is kept in order and follows the next one", async () => {
  let isStale = true;
  const { queue, sent, state } = queueWith(() => (isStale ? -1 : 0));
  await Promise.all([
    queue.push({ kind: "release", items: [{ runId: "r", lane, seq: 1 }] }),
    queue.push({ kind: "enqueue", items: [{ runId: "r", lane, score: 1 }] }),
  ]);
  expect(state.stale).toBeGreaterThan(0);
  await queue.push({ kind: "remove", items: [{ runId: "r", lane }] });
  expect(queue.size()).toBe(3);
  isStale = false;
  state.isOpen = true;
  sent.length = 0;
  queue.resume();
  await queue.push({ kind: "beat", items: [{ runId: "r", deadlineMs: 1 }] });
  expect(sent.map((each) => each.name)).toEqual(["release-1", "enqueue-1", "remove-1", "beat-1"]);
  expect(queue.size()).toBe(0);
  await queue.stop();
});

test("an error that would come again is dropped, so that it blocks nothing; one that passes is kept", async () => {
  const replies = ["ERR wrong type", "OOM command not allowed"];
  const { queue, state } = queueWith(() => {
    const text = replies.shift();
    if (!text) return 0;
    throw Object.assign(new Error(text), { name: "ReplyError" });
  });
  await queue.push({ kind: "forget", items: [{ runId: "a" }] });
  expect(queue.size()).toBe(0);
  await queue.push({ kind: "forget", items: [{ runId: "b" }] });
  expect(queue.size()).toBe(1);
  state.isOpen = true;
  await queue.push({ kind: "forget", items: [{ runId: "c" }] });
  expect(queue.size()).toBe(0);
  await queue.stop();
});

test("an outage fills memory up to a bound, and says so once", async () => {
  const lines: string[] = [];
  const queue = new IndexWriteQueue({
    target: () => null,
    onStale: () => undefined,
    log: createLogger("error", {}, (line) => lines.push(line)),
  });
  for (let at = 0; at < 210_000; at += 10_000) await queue.push({ kind: "enqueue", items: itemsOf(lane, 10_000, at) });
  expect(queue.size()).toBe(200_000);
  expect(lines.filter((line) => line.includes("queue_index.writes_dropped"))).toHaveLength(1);
});

test("every script says how many keys it takes, and takes no more", () => {
  for (const script of Object.values(indexScripts)) {
    const text = loadScript(`engine/queueIndex/lua/${script.name}.lua`);
    const keys = [...text.matchAll(/KEYS\[(\d+)\]/g)].map((match) => Number(match[1]));
    expect(`${script.name.split("-")[0]}-${Math.max(...keys)}`).toBe(script.name);
  }
});
