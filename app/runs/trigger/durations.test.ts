import { describe, expect, test } from "vitest";
import { formatSeconds, parseDurationMs, resolveDelay, resolveTtlSeconds } from "./durations";

const NOW = Date.parse("2026-11-21T10:00:00Z");

describe("delays", () => {
  test.each([
    ["30s", NOW + 30_000],
    ["2h", NOW + 7_200_000],
    ["1d12h", NOW + 129_600_000],
    ["2026-11-22", Date.parse("2026-11-22T00:00:00Z")],
    ["2026-11-21T10:00:01.500Z", NOW + 1_500],
    ["2026-11-21T12:00:00+01:00", NOW + 3_600_000],
  ])("%s names an instant", (text, at) => {
    expect(resolveDelay(text, NOW)).toBe(at);
  });

  test.each(["2026-11-21T09:59:59Z", "0s", NOW - 1, NOW])("%s lies in the past: run now", (delay) => {
    expect(resolveDelay(delay, NOW)).toBeNull();
  });

  test.each(["", "soon", "5", "-1h", "1y", "2026-13-40", "1.5h", "9".repeat(90) + "s", Number.POSITIVE_INFINITY, 1e20])(
    "%s is refused",
    (delay) => {
      expect(() => resolveDelay(delay, NOW)).toThrow(/Invalid delay/);
    }
  );

  test("more than ten years ahead is refused", () => {
    expect(() => resolveDelay("600w", NOW)).toThrow(/ten years/);
  });
});

describe("times to live", () => {
  test.each([
    ["10m", 600],
    ["1h30m", 5_400],
    ["0s", 0],
    ["90", 90],
    [90, 90],
    [0, 0],
  ])("%s is %i seconds", (ttl, seconds) => {
    expect(resolveTtlSeconds(ttl)).toBe(seconds);
  });

  test.each(["", "never", "-5", "1.5", "99999999999"])("%s is refused", (ttl) => {
    expect(() => resolveTtlSeconds(ttl)).toThrow(/Invalid ttl/);
  });

  test("seconds are shown as a duration that parses back to them", () => {
    for (const seconds of [1, 59, 60, 61, 3_600, 5_430, 86_400, 694_861]) {
      expect(parseDurationMs(formatSeconds(seconds))).toBe(seconds * 1_000);
    }
    expect(formatSeconds(600)).toBe("10m");
    expect(formatSeconds(0)).toBe("0s");
  });
});
