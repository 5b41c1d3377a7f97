/** Errors of steps as they are kept: in full, and cut for one line. */

/** Characters of a summary; the column checks the same number. */
const SUMMARY_LENGTH = 512;

/** The first 512 characters, never half of a surrogate pair. */
export function summarize(text: string): string {
  if (text.length <= SUMMARY_LENGTH) return text;
  const last = text.charCodeAt(SUMMARY_LENGTH - 1);
  const splitsPair = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, splitsPair ? SUMMARY_LENGTH - 1 : SUMMARY_LENGTH);
}

/** Name, message and the chain of causes, one a line; parts of an AggregateError are indented below it. */
export function fullText(error: unknown, depth = 0): string {
  const pad = "  ".repeat(depth);
  if (!(error instanceof Error)) return `${pad}${String(error)}`;
  const lines = [`${pad}${error.name}: ${error.message}`];
  if (error instanceof AggregateError && depth < MAX_DEPTH) for (const part of error.errors) lines.push(fullText(part, depth + 1));
  if (error.cause !== undefined && depth < MAX_DEPTH) lines.push(`${pad}caused by`, fullText(error.cause, depth + 1));
  return lines.join("\n");
}

/** Causes deeper than this are a loop or noise. */
const MAX_DEPTH = 5;

/** Both errors, when ending a step failed after its work had failed: the first stays the headline. */
export function combineErrors(first: Error, second: Error): AggregateError {
  return new AggregateError([first, second], first.message);
}
