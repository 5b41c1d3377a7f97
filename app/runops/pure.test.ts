/** The small pure parts of the run store. */
import { describe, expect, test } from "vitest";
import { mintId, mintRunOpsId } from "../utils/ids";
import { booleanColumn, bytesColumn, numberColumn, textArrayColumn, textColumn, timeColumn } from "./columns";
import { classifyFailure } from "./failures";
import { idBounds } from "./idBounds";
import { missingRanges } from "./partitions.server";
import { REPLAY_MODES, replayMode, tableToTruncate } from "./replayTurns";
import { cleanText } from "./storedText";

const DAY = 86_400_000;

describe("columns", () => {
  test("array literals", () => {
    expect(textColumn(["a", 'q"', "b\\", "", "NULL", null], (text) => text)).toBe('{"a","q\\"","b\\\\","","NULL",NULL}');
    expect(numberColumn([1, -2.5, null], (n) => n)).toBe("{1,-2.5,NULL}");
    expect(booleanColumn([true, false, null], (b) => b)).toBe("{t,f,NULL}");
    expect(timeColumn([new Date(0), null], (t) => t)).toBe('{"1970-01-01T00:00:00.000Z",NULL}');
    expect(bytesColumn([Buffer.from([0, 255]), null], (b) => b)).toBe('{"\\\\x00ff",NULL}');
    expect(textArrayColumn([["a", 'q"'], []], (list) => list)).toBe('{"{\\"a\\",\\"q\\\\\\"\\"}",NULL}');
    expect(textColumn([], () => "")).toBe("{}");
  });

  test("clean text", () => {
    expect(cleanText("plain")).toBe("plain");
    expect(cleanText("a\0b\0")).toBe("ab");
    expect(cleanText("\ud83d")).toBe("\ufffd");
    expect(cleanText("😀".slice(0, 1) + "\0" + "😀".slice(1))).toBe("😀");
  });
});

describe("request replay turns", () => {
  const turn = 600_000;
  test("tables alternate, both are written for half a minute after a change", () => {
    expect(replayMode(0)).toBe(REPLAY_MODES.bThenA);
    expect(replayMode(30_000)).toBe(REPLAY_MODES.a);
    expect(replayMode(turn - 1)).toBe(REPLAY_MODES.a);
    expect(replayMode(turn)).toBe(REPLAY_MODES.aThenB);
    expect(replayMode(turn + 30_000)).toBe(REPLAY_MODES.b);
  });

  test("a table is truncated only in the second half of the other's turn", () => {
    expect(tableToTruncate(turn / 2 - 1)).toBeNull();
    expect(tableToTruncate(turn / 2)).toBe("request_replay_b");
    expect(tableToTruncate(turn + turn / 2)).toBe("request_replay_a");
  });
});

describe("partition ranges", () => {
  const now = 10 * 7 * DAY + DAY;
  test("the current period and three ahead", () => {
    const missing = missingRanges([], now, 7);
    expect(missing).toEqual([70, 77, 84, 91].map((day) => ({ fromMs: day * DAY, toMs: (day + 7) * DAY })));
    expect(missingRanges(missing, now, 7)).toEqual([]);
  });

  test("another period length goes on where the existing ones end, without overlap", () => {
    const weekly = missingRanges([], now, 7);
    const daily = missingRanges(weekly.slice(0, 1), 76 * DAY, 1);
    expect(daily).toEqual([77, 78, 79].map((day) => ({ fromMs: day * DAY, toMs: (day + 1) * DAY })));
    const gap = missingRanges([{ fromMs: 73 * DAY, toMs: 74 * DAY }], now, 7);
    expect(gap.slice(0, 2)).toEqual([
      { fromMs: 70 * DAY, toMs: 73 * DAY },
      { fromMs: 74 * DAY, toMs: 77 * DAY },
    ]);
  });
});

describe("id bounds", () => {
  test("enclose the ids of a millisecond in both shapes", () => {
    const at = Date.UTC(2026, 5, 1);
    const [control, runOps] = idBounds(new Date(at));
    const [controlEnd, runOpsEnd] = idBounds(new Date(at + 1));
    const ids = { control: mintId(at), runOps: mintRunOpsId(at, 1_023) };
    expect(ids.control >= control && ids.control < controlEnd).toBe(true);
    expect(ids.runOps >= runOps && ids.runOps < runOpsEnd).toBe(true);
  });
});

describe("failures", () => {
  const withCode = (code: string, message = "x") => Object.assign(new Error(message), { code });
  test.each([
    [withCode("40P01"), "transient"],
    [withCode("40001"), "transient"],
    [withCode("57014"), "unknown"],
    [withCode("57P01"), "unknown"],
    [withCode("08006"), "unknown"],
    [withCode("53300"), "unknown"],
    [withCode("ECONNREFUSED"), "unknown"],
    [new Error("Connection terminated unexpectedly"), "unknown"],
    [new Error("Query read timeout"), "unknown"],
    [withCode("22P02"), "data"],
    [withCode("23505"), "data"],
    [withCode("42P01"), "fatal"],
    [new TypeError("undefined is not a function"), "fatal"],
    ["text", "fatal"],
  ] as const)("%s is %s", (error, kind) => {
    expect(classifyFailure(error)).toBe(kind);
  });
});
