/** Text from user code on its way into a text column. */

/** Without NUL and lone surrogates (Postgres and JSON refuse them), at most `maxBytes` of UTF-8. */
export function cleanText(text: string, maxBytes: number): string {
  const whole = text.includes("\u0000") ? text.replaceAll("\u0000", "") : text;
  if (whole.length * 3 <= maxBytes || Buffer.byteLength(whole) <= maxBytes) return whole.toWellFormed();
  const cut = Buffer.from(whole).subarray(0, maxBytes).toString("utf8");
  return cut.replace(/\uFFFD+$/, "").toWellFormed();
}
