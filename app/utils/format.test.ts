import { describe, expect, it } from "vitest";
import { clockTime, formatBytes, formatDuration, formatSeconds, knownTimeZone, listTime, maskSecret, shortId } from "./format";

describe("durations", () => {
  it("grow from milliseconds to days", () => {
    const samples: [number, string][] = [
      [3, "3 ms"],
      [60, "0.06 s"],
      [1_900, "1.9 s"],
      [59_990, "59.9 s"],
      [60_000, "1 min"],
      [1_843_000, "30 min 43 s"],
      [10_680_000, "2 h 58 min"],
      [273_600_000, "3 d 4 h"],
      [-5, "0 ms"],
    ];
    for (const [ms, text] of samples) expect(formatDuration(ms)).toBe(text);
    expect(formatDuration(2_430, 2)).toBe("2.43 s");
    expect([formatSeconds(30), formatSeconds(600)]).toEqual(["30 s", "10 min"]);
  });
});

describe("times, ids and secrets", () => {
  it("add the day only to another day, in the reader's zone", () => {
    const at = Date.UTC(2026, 10, 21, 23, 30, 5, 410);
    expect(clockTime(at, "UTC", true)).toBe("23:30:05.41");
    expect(listTime(at, at + 3_600_000, "UTC")).toBe("21 Nov, 23:30:05");
    expect(listTime(at, at + 3_600_000, "Europe/London")).toBe("21 Nov, 23:30:05");
    expect(listTime(at, at + 3_600_000, "America/New_York")).toBe("18:30:05");
    expect([knownTimeZone("Mars/Base"), knownTimeZone(null)]).toEqual(["UTC", "UTC"]);
  });

  it("keep what tells them apart", () => {
    expect(shortId("run_c1jn2k5v0a7x2lbv8r8w1zt")).toBe("run_…r8w1zt");
    expect(maskSecret("tr_dev_7m3qabcdefghp08z")).toBe("tr_dev_7m3q…p08z");
    expect(maskSecret("tr_dev_short")).toBe("tr_dev_…");
    expect([formatBytes(84), formatBytes(1_843), formatBytes(3_145_728)]).toEqual(["84 B", "1.8 KB", "3.0 MB"]);
  });
});
