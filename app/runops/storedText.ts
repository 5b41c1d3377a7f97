/** Text as Postgres takes it. A completion or a trigger is never refused for a character that a text column cannot hold. */

type WellFormed = { isWellFormed(): boolean; toWellFormed(): string };

/** `text` without NUL and with lone surrogates replaced by U+FFFD; the same string when there is nothing to mend. */
export function cleanText(text: string): string {
  const withoutNul = text.includes("\0") ? text.replaceAll("\0", "") : text;
  const wellFormed = withoutNul as unknown as WellFormed;
  return wellFormed.isWellFormed() ? withoutNul : wellFormed.toWellFormed();
}
