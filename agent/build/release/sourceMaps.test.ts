import { describe, expect, it } from "vitest";
import { isBundleMap, rootedMap } from "./sourceMaps";

const sourcesOf = (name: string, sources: unknown[]) =>
  (
    JSON.parse(rootedMap(name, JSON.stringify({ version: 3, sources, mappings: "" }))?.toString() ?? "null") as {
      sources: unknown[];
    } | null
  )?.sources;

describe("source maps of a release", () => {
  it("name sources from the root of the project, wherever the release lies", () => {
    expect(sourcesOf("src/trigger/hello.mjs.map", ["../../../../../src/trigger/hello.ts", null])).toEqual(["/src/trigger/hello.ts", null]);
    expect(sourcesOf("chunk-A.mjs.map", ["../../../node_modules/zod/index.ts"])).toEqual(["/node_modules/zod/index.ts"]);
  });

  it("stay as they are when they lead into the release, or are none", () => {
    expect(sourcesOf("src/a.mjs.map", ["../lib/a.ts", "webpack://x/../../../../y", "/src/a.ts"])).toBeUndefined();
    expect(rootedMap("a.map", "{")).toBeNull();
    expect(rootedMap("a.map", "null")).toBeNull();
  });

  it("of packages are not looked at", () => {
    expect(["a.mjs.map", "node_modules/x/a.js.map", "a.mjs"].map(isBundleMap)).toEqual([true, false, false]);
  });
});
