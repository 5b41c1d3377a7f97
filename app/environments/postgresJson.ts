/**
 * `value` as JSON text that a `jsonb` column accepts: Postgres refuses the NUL character and half surrogate pairs, both of
 * which a task's schema or description may contain. NULs are dropped, half pairs become U+FFFD.
 */
export function toPostgresJson(value: unknown): string {
  return (JSON.stringify(value) ?? "null")
    .replace(/(?<!\\)((?:\\\\)*)\\u0000/g, "$1")
    .replace(/(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/g, "$1\\ufffd");
}

/** Text for a `text` column: without NUL, well-formed, at most `maxLength` characters. */
export function toPostgresText(text: string, maxLength: number): string {
  return text.replaceAll("\u0000", "").slice(0, maxLength).toWellFormed();
}
