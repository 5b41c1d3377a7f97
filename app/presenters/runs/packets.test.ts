import { describe, expect, it } from "vitest";
import { dataView, errorLine, errorView } from "./packets.server";

describe("packets for reading", () => {
  it("prints JSON, keeps text, and names what is kept elsewhere", async () => {
    expect(await dataView('{"a":1}', "application/json")).toEqual({ kind: "json", text: '{\n  "a": 1\n}', bytes: 7, cut: false });
    expect(await dataView("hello", "text/plain")).toMatchObject({ kind: "text", text: "hello" });
    expect(await dataView("packets/1.json", "application/store")).toEqual({ kind: "stored", text: "packets/1.json" });
    expect(await dataView(null, "application/json")).toEqual({ kind: "none" });
  });

  it("shows what is not JSON as the text it is, and cuts what is too long to read", async () => {
    expect(await dataView("{oops", "application/json")).toMatchObject({ kind: "json", text: '"{oops"' });
    expect(await dataView("x".repeat(40_000), "text/plain")).toMatchObject({ cut: true, bytes: 40_000 });
  });
});

describe("errors for reading", () => {
  it("takes the frames out of the stack", () => {
    const view = errorView(
      JSON.stringify({ type: "BUILT_IN_ERROR", name: "TypeError", message: "no", stackTrace: "TypeError: no\n    at run (a.ts:1:1)" })
    );
    expect(view).toEqual({ name: "TypeError", message: "no", stack: "at run (a.ts:1:1)" });
  });

  it("reads every kind of stored error, and text that is none", () => {
    expect(errorView('{"type":"INTERNAL_ERROR","code":"TASK_RUN_CRASHED"}')).toMatchObject({ name: "TASK_RUN_CRASHED", message: "" });
    expect(errorView('{"type":"STRING_ERROR","raw":"boom"}')).toMatchObject({ name: "Error", message: "boom" });
    expect(errorView("plain")).toMatchObject({ message: "plain" });
    expect(errorView(null)).toBeNull();
  });

  it("is one line in a table", () => {
    expect(errorLine({ name: "CardError", message: "declined\nmore", stack: null })).toBe("CardError: declined");
    expect(errorLine({ name: "Error", message: "x".repeat(300), stack: null })).toHaveLength(160);
  });
});
