import { describe, expect, test } from "vitest";
import type { RunListItem, RunPage } from "../../runops/runStore";
import { mintId } from "../../utils/ids";
import { ListRunsQuery } from "./listQuery";
import { mergePages } from "./listRuns.server";

const NOW = Date.parse("2026-11-21T10:00:00Z");

describe("the query", () => {
  const problem = (query: Record<string, string>) => ListRunsQuery.safeParse(query).error?.issues[0]?.path.join(".");

  test("reads filters, statuses of both vocabularies and cursors", () => {
    const id = mintId(NOW);
    const query = ListRunsQuery.parse({
      "filter[status]": "QUEUED,EXECUTING,FROZEN",
      "filter[tag]": "a,b,a",
      "filter[isTest]": "true",
      "filter[createdAt][from]": String(NOW),
      "filter[createdAt][to]": "2026-11-22",
      "filter[createdAt][period]": "7d",
      "page[after]": `run_${id}`,
    });
    expect(query).toMatchObject({
      "filter[status]": ["PENDING", "EXECUTING", "RETRYING_AFTER_FAILURE", "WAITING_TO_RESUME"],
      "filter[tag]": ["a", "b"],
      "filter[isTest]": true,
      "filter[createdAt][from]": new Date(NOW),
      "filter[createdAt][period]": 7 * 86_400_000,
      "page[size]": 25,
      "page[after]": id,
    });
  });

  test.each([
    ["page[size]", "0"],
    ["page[size]", "101"],
    ["page[size]", "many"],
    ["page[after]", "run_nonsense"],
    ["filter[status]", "RUNNING"],
    ["filter[status]", "__proto__"],
    ["filter[isTest]", "1"],
    ["filter[batch]", "x"],
    ["filter[createdAt][from]", "yesterday"],
    ["filter[createdAt][period]", "long"],
    ["filter[tag]", "a\0b"],
    ["filter[bulkAction]", "bulk_1"],
  ])("%s=%s is refused and named", (name, value) => {
    expect(problem({ [name]: value })).toBe(name);
  });

  test("page sizes 1 and 100 pass; two cursors do not", () => {
    const cursor = `run_${mintId(NOW)}`;
    expect(problem({ "page[size]": "1" })).toBeUndefined();
    expect(problem({ "page[size]": "100" })).toBeUndefined();
    expect(problem({ "page[after]": cursor, "page[before]": cursor })).toBe("page[after]");
  });
});

describe("pages of several environments", () => {
  const row = (id: string) => ({ header: { id } }) as RunListItem;
  const ids = Array.from({ length: 9 }, (_, i) => mintId(NOW - i * 1_000));
  const at = (...indexes: number[]) => indexes.map((index) => row(ids[index] ?? ""));
  const shown = (page: RunPage) => page.runs.map((run) => ids.indexOf(run.header.id));

  test("are merged newest first and cut to the page", () => {
    const first: RunPage = { runs: at(0, 3, 4), next: ids[4] ?? null, previous: null };
    const second: RunPage = { runs: at(1, 2, 5), next: ids[5] ?? null, previous: null };
    const page = mergePages([first, second], { "page[size]": 3 });
    expect(shown(page)).toEqual([0, 1, 2]);
    expect(page.next).toBe(ids[2]);
    expect(page.previous).toBeNull();
  });

  test("never pass the point up to which an environment has looked", () => {
    const scanned: RunPage = { runs: at(1), next: ids[3] ?? null, previous: null };
    const full: RunPage = { runs: at(0, 2, 5), next: ids[5] ?? null, previous: null };
    const page = mergePages([scanned, full], { "page[size]": 3 });
    expect(shown(page)).toEqual([0, 1, 2]);
    expect(page.next).toBe(ids[3]);
  });

  test("an empty page keeps a way on", () => {
    const page = mergePages(
      [
        { runs: [], next: ids[6] ?? null, previous: null },
        { runs: at(8), next: null, previous: null },
      ],
      { "page[size]": 3 }
    );
    expect(page).toMatchObject({ runs: [], next: ids[6] });
  });

  test("backwards they hold the rows nearest to the cursor", () => {
    const before = ids[6] ?? "";
    const first: RunPage = { runs: at(2, 4), next: ids[4] ?? null, previous: ids[2] ?? null };
    const second: RunPage = { runs: at(0, 5), next: ids[5] ?? null, previous: null };
    const page = mergePages([first, second], { "page[size]": 2, "page[before]": before });
    expect(shown(page)).toEqual([4, 5]);
    expect(page).toMatchObject({ previous: ids[4], next: ids[5] });
  });
});
