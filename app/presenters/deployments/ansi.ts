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
const CONTROLS = new RegExp("[\\u0000-\\u0008\\u000b-\\u001a\\u001c-\\u001f\\u007f]", "g");

/** Text in stretches of one look. A line that redraws itself (carriage return) shows its last state. */
export function ansiSpans(line: string): AnsiSpan[] {
  const text = lastDrawn(line);
  const spans: AnsiSpan[] = [];
  let look: Pick<AnsiSpan, "family" | "bold"> = { family: null, bold: false };
  let at = 0;
  const push = (part: string) => {
    const clean = part.replace(CONTROLS, "");
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

function applyCode(look: Look, code: number): Look {
  if (code === 0) return { family: null, bold: false };
  if (code === 1) return { ...look, bold: true };
  if (code === 22) return { ...look, bold: false };
  if (code === 39) return { ...look, family: null };
  if (code === 2) return { ...look, family: look.family ?? "idle" };
  const colour = code >= 90 ? code - 90 : code - 30;
  const isColour = (code >= 30 && code <= 37) || (code >= 90 && code <= 97);
  return isColour ? { ...look, family: FAMILY_OF_COLOUR[colour] ?? null } : look;
}
