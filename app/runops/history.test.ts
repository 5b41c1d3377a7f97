import { describe, expect, test } from "vitest";
import { snapshotId } from "../utils/ids";
import { COMPACT_ABOVE_BYTES, compactHistory, decodeHistory, HISTORY_CAP, historyRecord } from "./history";

const CREATED = Date.UTC(2026, 0, 1);

/** A history of `count` transitions, ten seconds apart, every fourth of which begins an attempt. */
function history(count: number): Buffer {
  return Buffer.concat(
    Array.from({ length: count }, (_, i) => historyRecord(i % 2 ? "EXECUTING" : "QUEUED", CREATED, CREATED + i * 10_000, i % 4 === 3))
  );
}

describe("history", () => {
  test("decodes to the transitions that were written, with seq, time and attempt", () => {
    const bytes = Buffer.concat([
      historyRecord("QUEUED", CREATED, CREATED),
      historyRecord("PENDING_EXECUTING", CREATED, CREATED + 127),
      historyRecord("EXECUTING", CREATED, CREATED + 128, true),
      historyRecord("FINISHED", CREATED, CREATED + 90 * 86_400_000),
    ]);
    expect(decodeHistory(bytes, CREATED, 4)).toEqual([
      { seq: 1, state: "QUEUED", at: new Date(CREATED), attempt: 0 },
      { seq: 2, state: "PENDING_EXECUTING", at: new Date(CREATED + 127), attempt: 0 },
      { seq: 3, state: "EXECUTING", at: new Date(CREATED + 128), attempt: 1 },
      { seq: 4, state: "FINISHED", at: new Date(CREATED + 90 * 86_400_000), attempt: 1 },
    ]);
  });

  test("a record costs three to eight bytes", () => {
    expect(historyRecord("QUEUED", CREATED, CREATED)).toHaveLength(3);
    expect(historyRecord("FINISHED", CREATED, CREATED + 365 * 86_400_000)).toHaveLength(7);
  });

  test("a clock behind the id counts as zero", () => {
    expect(decodeHistory(historyRecord("QUEUED", CREATED, CREATED - 5_000), CREATED, 1)[0]?.at).toEqual(new Date(CREATED));
  });

  test("snapshot ids grow over a thousand transitions (14)", () => {
    const ids = decodeHistory(history(1_000), CREATED, 1_000).map((entry) => snapshotId("c0000000000000000000000000", entry.seq));
    expect(ids).toHaveLength(1_000);
    expect(ids.toSorted()).toEqual(ids);
  });

  test("the transitions after a seq are all there, in order (15)", () => {
    const since = decodeHistory(history(20), CREATED, 20).filter((entry) => entry.seq > 12);
    expect(since.map((entry) => entry.seq)).toEqual([13, 14, 15, 16, 17, 18, 19, 20]);
  });

  test("over its cap the middle goes; both ends and the attempt count stay right (16)", () => {
    const full = history(HISTORY_CAP + 1);
    const whole = decodeHistory(full, CREATED, HISTORY_CAP + 1);
    const compact = decodeHistory(compactHistory(full), CREATED, HISTORY_CAP + 1);
    expect(compact.length).toBeLessThan(HISTORY_CAP);
    expect(compact.slice(0, 50)).toEqual(whole.slice(0, 50));
    expect(compact.slice(-100)).toEqual(whole.slice(-100));
  });

  test("stays bounded however often it grows and is cut", () => {
    let bytes = Buffer.alloc(0);
    for (let seq = 1; seq <= 5_000; seq++) {
      bytes = Buffer.concat([bytes, historyRecord("EXECUTING", CREATED, CREATED + seq * 1_000, true)]);
      bytes = Buffer.from(compactHistory(bytes));
      expect(bytes.length).toBeLessThan(COMPACT_ABOVE_BYTES * 2);
    }
    const entries = decodeHistory(bytes, CREATED, 5_000);
    expect(entries.at(0)).toMatchObject({ seq: 1, attempt: 1 });
    expect(entries.at(-1)).toMatchObject({ seq: 5_000, attempt: 5_000 });
  });

  test("a short history is left alone", () => {
    const bytes = history(HISTORY_CAP);
    expect(compactHistory(bytes)).toBe(bytes);
  });

  test("bytes that end inside a record are refused", () => {
    expect(() => decodeHistory(Buffer.from([2]), CREATED, 1)).toThrow(/ends inside a record/);
    expect(() => decodeHistory(Buffer.from([2, 0, 0x80]), CREATED, 1)).toThrow(/ends inside a record/);
    expect(() => decodeHistory(Buffer.from([99, 0, 0]), CREATED, 1)).toThrow(/Unknown execution state/);
  });
});
