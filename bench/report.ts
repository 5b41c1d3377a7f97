/** The tables, and what a part of the benchmark hands to them. */
import { spread, type Spread } from "./statistics";

/** One line: what was measured, in which unit, what is wanted of it, and every measured value. */
export type Row = {
  name: string;
  unit: string;
  values: number[];
  /** The issue's number: `at-least` for throughput and ratios, `at-most` for times, memory and rates. */
  goal?: { kind: "at-least" | "at-most"; value: number };
};

/** Measures one table on a server of its own. `notes`: circumstances, printed above it. */
export type Part = (input: PartInput) => Promise<{ notes: string[]; rows: Row[] }>;
export type PartInput = { quick: boolean; say(line: string): void };

/** A row of one value. */
export function row(name: string, unit: string, value: number, goal?: Row["goal"]): Row {
  return { name, unit, values: [value], goal };
}

/** Whether the median meets the goal; undefined without one. */
export function meets(row: Row): boolean | undefined {
  if (!row.goal) return undefined;
  const { median } = spread(row.values);
  return row.goal.kind === "at-least" ? median >= row.goal.value : median <= row.goal.value;
}

/** Markdown, aligned for reading in a terminal. */
export function renderTable(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.name,
    format(spread(row.values).median),
    range(spread(row.values), row.values.length),
    row.unit,
    goalText(row),
    verdict(row),
  ]);
  const header = ["figure", "median", "(min to max)", "unit", "wanted", ""];
  const widths = header.map((title, column) => Math.max(title.length, ...cells.map((line) => line[column]?.length ?? 0)));
  const line = (values: readonly string[]) => `| ${values.map((value, column) => pad(value, widths[column] ?? 0, column)).join(" | ")} |`;
  const rule = `|${widths.map((width, column) => (column === 1 || column === 2 ? `${"-".repeat(width + 1)}:` : "-".repeat(width + 2))).join("|")}|`;
  return [line(header), rule, ...cells.map(line)].join("\n");
}

function pad(value: string, width: number, column: number): string {
  return column === 1 || column === 2 ? value.padStart(width) : value.padEnd(width);
}

function range({ min, max }: Spread, count: number): string {
  return count > 1 ? `(${format(min)} to ${format(max)})` : "";
}

function goalText({ goal }: Row): string {
  if (!goal) return "";
  return `${goal.kind === "at-least" ? "at least" : "at most"} ${format(goal.value)}`;
}

function verdict(row: Row): string {
  const met = meets(row);
  return met === undefined ? "" : met ? "met" : "MISSED";
}

/** Three figures that matter, thousands separated. */
export function format(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
