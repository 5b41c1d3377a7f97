/** docs/deployment-tests.md against the tests: every row names a file with a test of its number, or a reason. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { repoRoot } from "../e2e/support/processes";

const PAGE = "docs/deployment-tests.md";
type Row = { key: string; what: string; where: string };

/** Rows of the table below a heading. */
function rowsBelow(heading: string): Row[] {
  const text = readFileSync(path.join(repoRoot, PAGE), "utf8");
  const [, section = ""] = text.split(`\n## ${heading}\n`);
  const [table = ""] = section.split("\n## ");
  const rows = [...table.matchAll(/^\| +([^|]+?) +\| +([^|]+?) +\| +([^|]+?) +\|$/gm)];
  const body = rows.slice(rows.findIndex(([, key = ""]) => /^[-:]+$/.test(key)) + 1);
  return body.map(([, key = "", what = "", where = ""]) => ({ key, what, where }));
}

/** Names of tests in a file that begin with numbers and a colon, such as `33, matrix 38, 39: ...`; what follows `matrix` are faults. */
function numbersIn(file: string): Set<string> {
  const source = readFileSync(path.join(repoRoot, file), "utf8");
  const names = source.matchAll(/["'`]((?:\d+, )*\d+)?(?:, )?(?:matrix ((?:\d+, )*\d+))?(?:(?:, )?bad input)?: /g);
  return new Set(
    [...names].flatMap(([, tests = "", faults = ""]) => [...tests.split(", "), ...faults.split(", ").map((number) => `matrix ${number}`)])
  );
}

function filesOf({ where }: Row): string[] {
  return [...where.matchAll(/`([^`]+\.test\.tsx?)`/g)].map(([, file = ""]) => file);
}

/** What is wrong with a row; empty when nothing is. */
function complaints(row: Row, hasTest: (file: string, key: string) => boolean): string[] {
  const files = filesOf(row);
  if (files.length === 0) return row.where.length < 10 ? [`${row.key}: neither a test nor a reason`] : [];
  return files.filter((file) => !hasTest(file, row.key)).map((file) => `${row.key}: no test of ${file} begins with it`);
}

test.each([
  ["Numbered tests", "", 108],
  ["Faults", "matrix ", 39],
])("%s: each has a test of its number in the named files, or a reason", (heading, prefix, count) => {
  const rows = rowsBelow(heading);
  expect(rows.map(({ key }) => key)).toEqual(Array.from({ length: count }, (_, at) => String(at + 1)));
  expect(rows.flatMap((row) => complaints(row, (file, key) => numbersIn(file).has(prefix + key)))).toEqual([]);
});

test("Bad input: each has a test whose name is there", () => {
  const rows = rowsBelow("Bad input");
  expect(rows.length).toBeGreaterThan(0);
  // The second column is the name, as it stands in the file.
  const hasTest = (row: Row) => filesOf(row).every((file) => readFileSync(path.join(repoRoot, file), "utf8").includes(row.what));
  expect(rows.filter((row) => filesOf(row).length === 0 || !row.what.includes("bad input: ") || !hasTest(row))).toEqual([]);
});

test("a row without a test and without a reason is complained about", () => {
  const row = { key: "7", what: "x", where: "" };
  expect(complaints(row, () => true)).toEqual(["7: neither a test nor a reason"]);
  expect(complaints({ ...row, where: "`a.test.ts`" }, () => false)).toEqual(["7: no test of a.test.ts begins with it"]);
  expect(complaints({ ...row, where: "Not offered here." }, () => false)).toEqual([]);
});
