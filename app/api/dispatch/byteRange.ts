/** The `Range` header, as far as downloads that continue use it: one range of bytes. */

/** First and last byte; null for no range or one that is not understood (the whole is sent then); `unsatisfiable` for 416. */
export function rangeOf(header: string | null, size: number): { start: number; end: number } | null | "unsatisfiable" {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? "");
  const [, first = "", last = ""] = match ?? [];
  if (first !== "") return between(Number(first), last === "" ? size - 1 : Number(last), size);
  if (last === "") return null;
  const length = Number(last);
  return length === 0 ? "unsatisfiable" : between(Math.max(0, size - length), size - 1, size);
}

function between(start: number, end: number, size: number): { start: number; end: number } | null | "unsatisfiable" {
  if (start >= size) return "unsatisfiable";
  return end < start ? null : { start, end: Math.min(end, size - 1) };
}
