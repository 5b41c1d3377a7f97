import { describe, expect, test } from "vitest";
import { encodeMetadata, parseMetadata, stringifyMetadata } from "../metadata/metadata.server";
import { decodePacket, showPacket } from "./packets";

describe("packets for people", () => {
  test("super+json becomes plain JSON, with and without types", async () => {
    expect(await decodePacket('{"json":{"n":21}}', "application/super+json")).toEqual({ n: 21 });
    expect(
      await decodePacket('{"json":{"at":"2026-11-21T10:00:00.000Z"},"meta":{"values":{"at":["Date"]}}}', "application/super+json")
    ).toEqual({
      at: "2026-11-21T10:00:00.000Z",
    });
    expect(await decodePacket('{"json":null,"meta":{"values":["undefined"],"v":1}}', "application/super+json")).toBeNull();
  });

  test("JSON is parsed, text and unknown types are shown as they are", async () => {
    expect(await decodePacket('[1,"a"]', "application/json")).toEqual([1, "a"]);
    expect(await decodePacket("[1]", "text/plain")).toBe("[1]");
    expect(await decodePacket("<a/>", "application/xml")).toBe("<a/>");
  });

  test("what cannot be decoded is shown as text", async () => {
    expect(await showPacket("{broken", "application/json")).toBe("{broken");
    expect(await showPacket("{broken", "application/super+json")).toBe("{broken");
  });
});

describe("metadata", () => {
  test("an object or a packet of one becomes JSON text", async () => {
    expect(await encodeMetadata({ a: 1 }, undefined)).toBe('{"a":1}');
    expect(await encodeMetadata('{"json":{"a":1}}', "application/super+json")).toBe('{"a":1}');
    expect(await encodeMetadata('{"a":"\\u0000"}', "application/json")).toBe('{"a":"\\u0000"}');
    expect(await encodeMetadata(undefined, undefined)).toBeNull();
  });

  test("what is no object is refused", async () => {
    for (const value of [1, true, [1], "[1]", "7", "{broken", "null"]) {
      await expect(encodeMetadata(value, undefined)).rejects.toThrow(/must be a JSON object/);
    }
  });

  test("256 KB pass and one byte more is a 413", () => {
    const fill = 256 * 1024 - '{"a":""}'.length;
    expect(stringifyMetadata({ a: "x".repeat(fill) })).toHaveLength(256 * 1024);
    expect(() => stringifyMetadata({ a: "x".repeat(fill + 1) })).toThrow(/the most is 262144/);
  });

  test("an unreadable document reads as none", async () => {
    expect(await parseMetadata("{broken", "application/json")).toBeUndefined();
    expect(await parseMetadata("[1]", "application/json")).toBeUndefined();
    expect(await parseMetadata(null, "application/json")).toBeUndefined();
    expect(await parseMetadata('{"a":1}', "application/json")).toEqual({ a: 1 });
  });
});
