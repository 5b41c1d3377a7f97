/** Terminal colours in build output. Pure. */

/** Families of the palette that stand for the colours of a terminal. */
export type AnsiFamily = "bad" | "ok" | "hold" | "run" | "wait" | "idle";
export type AnsiSpan = { text: string; family: AnsiFamily | null; bold: boolean };

const FAMILY_OF_COLOUR: Record<number, AnsiFamily | null> = {
  0: "idle",
  1: "bad",
  2: "ok",
  3: "hold",
  4: "run",
  5: "wait",
  6: "run",
  7: null,
};
const ESCAPE = "\u001b";
// Colour and style, any other control sequence, titles, and what is left of a cut one.
const SEQUENCES = new RegExp(
  `${ESCAPE}\\[([0-9;]*)m|${ESCAPE}\\[[0-?]*[ -/]*[@-~]|${ESCAPE}\\][^\\u0007${ESCAPE}]*(?:\\u0007|${ESCAPE}\\\\)?|${ESCAPE}.?`,
  "g"
);

/** Text in stretches of one look. A line that redraws itself (carriage return) shows its last state. */
export function ansiSpans(line: string): AnsiSpan[] {
  const text = lastDrawn(line);
  const spans: AnsiSpan[] = [];
  let look: Pick<AnsiSpan, "family" | "bold"> = { family: null, bold: false };
  let at = 0;
  const push = (part: string) => {
    const clean = withoutControls(part);
    if (clean !== "") spans.push({ text: clean, ...look });
  };
  for (const match of text.matchAll(SEQUENCES)) {
    push(text.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[1] !== undefined) look = applyCodes(look, match[1]);
  }
  push(text.slice(at));
  return spans;
}

/** The line without colours and control characters, for copying, files and sentences. */
export function plainText(line: string): string {
  return ansiSpans(line)
    .map((span) => span.text)
    .join("");
}

function lastDrawn(line: string): string {
  const trimmed = line.replace(/\r+$/, "");
  return trimmed.slice(trimmed.lastIndexOf("\r") + 1);
}

type Look = Pick<AnsiSpan, "family" | "bold">;

function applyCodes(look: Look, codes: string): Look {
  const numbers = (codes === "" ? "0" : codes).split(";").map(Number);
  let next = look;
  for (let i = 0; i < numbers.length; i++) {
    const code = numbers[i] ?? 0;
    // 38 and 48 take the parameters of a colour of their own; such colours stay ink.
    if (code === 38 || code === 48) i += numbers[i + 1] === 5 ? 2 : 4;
    else next = applyCode(next, code);
  }
  return next;
}

/** What a code sets; colours are added below. */
const STYLES: Record<number, (look: Look) => Look> = {
  0: () => ({ family: null, bold: false }),
  1: (look) => ({ ...look, bold: true }),
  2: (look) => ({ ...look, family: look.family ?? "idle" }),
  22: (look) => ({ ...look, bold: false }),
  39: (look) => ({ ...look, family: null }),
};
for (const [colour, family] of Object.entries(FAMILY_OF_COLOUR)) {
  STYLES[30 + Number(colour)] = (look) => ({ ...look, family });
  STYLES[90 + Number(colour)] = (look) => ({ ...look, family });
}

function applyCode(look: Look, code: number): Look {
  return STYLES[code]?.(look) ?? look;
}

const TAB = 9;
const NEWLINE = 10;
const FIRST_PRINTABLE = 32;
const DELETE = 127;

function withoutControls(text: string): string {
  return [...text].filter((char) => isShown(char.charCodeAt(0))).join("");
}

function isShown(code: number): boolean {
  return code === TAB || code === NEWLINE || (code >= FIRST_PRINTABLE && code !== DELETE);
}
