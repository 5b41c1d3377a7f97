import { describe, expect, it } from "vitest";
import { cleanError, storedError } from "./wireErrors";

describe("27 errors are cleaned before they are stored", () => {
  it("removes NUL and lone surrogates", () => {
    const cleaned = cleanError({ type: "STRING_ERROR", raw: "a\0b\ud800" });
    expect(cleaned).toEqual({ type: "STRING_ERROR", raw: "ab\ufffd" });
  });
  it("cuts message and stack, keeping both ends of the stack", () => {
    const stackTrace = `first\n${"x".repeat(40_000)}\nlast`;
    const cleaned = cleanError({ type: "BUILT_IN_ERROR", name: "n".repeat(5_000), message: "m".repeat(1_000_000), stackTrace });
    if (cleaned.type !== "BUILT_IN_ERROR") throw new Error("wrong kind");
    expect(cleaned.name.length).toBeLessThan(1_100);
    expect(cleaned.message.length).toBeLessThan(17_000);
    expect(cleaned.stackTrace.length).toBeLessThan(17_000);
    expect(cleaned.stackTrace.startsWith("first")).toBe(true);
    expect(cleaned.stackTrace.endsWith("last")).toBe(true);
  });
  it("keeps a cut custom error parseable", () => {
    const cleaned = cleanError({ type: "CUSTOM_ERROR", raw: JSON.stringify({ big: "😀".repeat(20_000) }) });
    if (cleaned.type !== "CUSTOM_ERROR") throw new Error("wrong kind");
    expect(JSON.parse(cleaned.raw)).toMatchObject({ truncated: true });
  });
  it("never lets an emoji be cut into something that Postgres refuses", () => {
    const stored = storedError({ type: "STRING_ERROR", raw: `x${"😀".repeat(20_000)}` });
    expect(stored.isWellFormed()).toBe(true);
  });
});
