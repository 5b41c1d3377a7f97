/**
 * Columns of a group as Postgres array literals. `pg` can build them from JavaScript arrays, at several times the cost per
 * element; a group of 256 rows has thousands.
 */
import { cleanText } from "./storedText";

const NEEDS_ESCAPE = /["\\]/;
const ESCAPES = /["\\]/g;

function quoted(text: string): string {
  return NEEDS_ESCAPE.test(text) ? `"${text.replace(ESCAPES, "\\$&")}"` : `"${text}"`;
}

function literal<T>(rows: readonly T[], element: (row: T) => string): string {
  let out = "{";
  for (let i = 0; i < rows.length; i++) {
    if (i > 0) out += ",";
    out += element(rows[i] as T);
  }
  return `${out}}`;
}

/** A `text[]`, cleaned of what Postgres refuses. */
export function textColumn<T>(rows: readonly T[], pick: (row: T) => string | null | undefined): string {
  return literal(rows, (row) => {
    const value = pick(row);
    return value === null || value === undefined ? "NULL" : quoted(cleanText(value));
  });
}

/** A `smallint[]`, `int[]`, `bigint[]` or `float8[]`. */
export function numberColumn<T>(rows: readonly T[], pick: (row: T) => number | null | undefined): string {
  return literal(rows, (row) => {
    const value = pick(row);
    return value === null || value === undefined ? "NULL" : String(value);
  });
}

/** A `boolean[]`. */
export function booleanColumn<T>(rows: readonly T[], pick: (row: T) => boolean | null | undefined): string {
  return literal(rows, (row) => {
    const value = pick(row);
    return value === null || value === undefined ? "NULL" : value ? "t" : "f";
  });
}

/** A `timestamptz[]`. */
export function timeColumn<T>(rows: readonly T[], pick: (row: T) => Date | null | undefined): string {
  return literal(rows, (row) => {
    const value = pick(row);
    return value === null || value === undefined ? "NULL" : `"${value.toISOString()}"`;
  });
}

/** A `bytea[]`. */
export function bytesColumn<T>(rows: readonly T[], pick: (row: T) => Buffer | null | undefined): string {
  return literal(rows, (row) => {
    const value = pick(row);
    return value === null || value === undefined ? "NULL" : `"\\\\x${value.toString("hex")}"`;
  });
}

/** A `text[]` of array literals, because `unnest` cannot carry arrays of arrays; the statement casts each to `text[]`. */
export function textArrayColumn<T>(rows: readonly T[], pick: (row: T) => readonly string[]): string {
  return literal(rows, (row) => {
    const values = pick(row);
    return values.length === 0 ? "NULL" : quoted(literal(values, (value) => quoted(cleanText(value))));
  });
}
