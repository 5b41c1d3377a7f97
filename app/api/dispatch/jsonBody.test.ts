import { describe, expect, test } from "vitest";
import { parseJsonBody } from "./jsonBody";

describe("JSON bodies", () => {
  test("an empty body is no value", () => {
    expect(parseJsonBody("")).toBeUndefined();
    expect(parseJsonBody("null")).toBeNull();
  });

  test.each(["{", "{'a':1}", "undefined", '{"a":1}x', "\0", '{"a":"\u0001"}'])("%j is bad JSON", (text) => {
    expect(() => parseJsonBody(text)).toThrow(/not valid JSON/);
  });

  test.each([
    '{"__proto__":{"admin":true}}',
    '{"a":[{"b":{"__proto__":1}}]}',
    '{"\\u005f_proto__":1}',
    '[{"\\u005F\\u005fproto\\u005f_":1}]',
  ])("%s is refused and named", (text) => {
    expect(() => parseJsonBody(text)).toThrow(/"__proto__" key/);
  });

  test("the same letters as data pass", () => {
    expect(parseJsonBody('{"payload":"{\\"__proto__\\":1}","tags":["__proto__"]}')).toEqual({
      payload: '{"__proto__":1}',
      tags: ["__proto__"],
    });
  });

  test("a suspicious document is only followed so deep", () => {
    const deep = `${'{"a":'.repeat(5_000)}"__proto__"${"}".repeat(5_000)}`;
    expect(() => parseJsonBody(deep)).toThrow(/nested deeper/);
  });
});
