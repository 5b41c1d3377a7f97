/** JSON from outside: parsed once, and never with a key that could become a prototype further in. */
import { AppError } from "../../utils/appError";

/** Escapes of ASCII characters can spell the key without containing it; they are rare enough to be looked at. */
const ASCII_ESCAPE = "\\u00";
const POISON = "__proto__";
/** Deeper documents are no configuration or payload of anyone, and would exhaust the stack. */
const MAX_DEPTH = 1_000;

/** The value of a JSON text; `undefined` for an empty one. Throws AppError 400 for bad JSON and for `__proto__` keys. */
export function parseJsonBody(text: string): unknown {
  if (text === "") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new AppError("invalid_json", 400, "The request body is not valid JSON. Send one JSON object.");
  }
  if (text.includes(POISON) || text.includes(ASCII_ESCAPE)) refusePoison(value);
  return value;
}

/** Only keys count: the same letters inside a string are data. Iterative, so that depth costs no stack. */
function refusePoison(root: unknown): void {
  let level: unknown[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw new AppError("invalid_json", 400, `The request body is nested deeper than ${MAX_DEPTH} levels.`);
    const next: unknown[] = [];
    for (const value of level) {
      if (typeof value !== "object" || value === null) continue;
      if (Object.hasOwn(value, POISON))
        throw new AppError("invalid_json", 400, `The request body has a "${POISON}" key, which is not allowed.`);
      for (const inner of Object.values(value)) next.push(inner);
    }
    level = next;
  }
}
