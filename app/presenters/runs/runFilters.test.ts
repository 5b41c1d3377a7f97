import { describe, expect, it } from "vitest";
import { filtersView, isFiltered, parseRunsQuery, runsSearch } from "./runFilters";

const parse = (search: string) => parseRunsQuery(new URLSearchParams(search));

describe("filters in the URL", () => {
  it("survive a round trip", () => {
    const search = "status=FAILED&status=CRASHED&task=send-receipt&tag=order%3A1&after=run_x";
    expect(runsSearch(parse(search))).toBe(search);
  });

  it("drop repeated and empty values", () => {
    expect(parse("task=a&task=a&task=&queue=%20")).toMatchObject({ task: ["a"], queue: [] });
    expect(isFiltered(parse("after=x"))).toBe(false);
  });

  it("refuse a status that does not exist, and values that cannot be meant", () => {
    expect(() => parse("status=EXPLODED")).toThrow(/There is no status EXPLODED/);
    expect(() => parse(`task=${"x".repeat(129)}`)).toThrow(/longer than 128/);
    expect(() => parse("tag=a%00b")).toThrow(/not text/);
    expect(() => parse(Array.from({ length: 21 }, (_, i) => `tag=${i}`).join("&"))).toThrow(/At most 20/);
  });

  it("make chips that remove only themselves, and adders without what is chosen", () => {
    const view = filtersView(parse("status=FAILED&task=a&after=x"), "/runs", { tasks: ["a", "b"], queues: [] });
    expect(view.chips.map((chip) => [chip.word, chip.removeHref])).toEqual([
      ["Failed", "/runs?task=a"],
      ["a", "/runs?status=FAILED"],
    ]);
    expect(view.adders.find((adder) => adder.name === "task")?.options).toEqual([{ word: "b", href: "/runs?status=FAILED&task=a&task=b" }]);
  });
});
