/** Says what is wrong with a cron expression of five fields, or a time zone, before anything depends on it. */

type Field = { name: string; min: number; max: number; names: readonly string[] };

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const FIELDS: readonly Field[] = [
  { name: "minute", min: 0, max: 59, names: [] },
  { name: "hour", min: 0, max: 23, names: [] },
  { name: "day of month", min: 1, max: 31, names: [] },
  { name: "month", min: 1, max: 12, names: MONTHS },
  { name: "day of week", min: 0, max: 7, names: DAYS },
];
const MACROS = new Set(["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly"]);
const MAX_LENGTH = 200;

/** A sentence that names the field, or null when the expression is good. */
export function cronProblem(expression: string): string | null {
  const shown = expression.slice(0, 60);
  const parts = expression.trim().split(/\s+/);
  if (parts.length === 1 && MACROS.has(parts[0]?.toLowerCase() ?? "")) return null;
  if (expression.length > MAX_LENGTH || parts.length !== FIELDS.length) {
    return `"${shown}" is not a cron expression of five fields (minute, hour, day of month, month, day of week).`;
  }
  const bad = FIELDS.find((field, at) => !(parts[at] ?? "").split(",").every((item) => isItem(item, field)));
  return bad ? `"${shown}" has a bad ${bad.name}: whole numbers from ${bad.min} to ${bad.max}, ranges, lists and steps.` : null;
}

/** A sentence, or null for a zone that this Node knows. */
export function timezoneProblem(timezone: string): string | null {
  try {
    new Intl.DateTimeFormat("en", { timeZone: timezone });
    return null;
  } catch {
    return `"${timezone.slice(0, 60)}" is not a time zone. Use a name such as UTC or Europe/Berlin.`;
  }
}

/** `*`, `5`, `1-5`, `MON-FRI`, each with an optional `/step`; `L` as the last day of the month. */
function isItem(item: string, field: Field): boolean {
  const [range = "", step, ...rest] = item.split("/");
  if (rest.length > 0) return false;
  if (step !== undefined && !/^0*[1-9]\d{0,2}$/.test(step)) return false;
  if (range === "*") return true;
  return isSpecial(range, field) ? step === undefined : isRange(range, field);
}

function isSpecial(range: string, field: Field): boolean {
  return field.name.startsWith("day") && (range === "?" || (range.toUpperCase() === "L" && field.max === 31));
}

function isRange(range: string, field: Field): boolean {
  const [from = "", to = from, ...more] = range.split("-");
  const first = valueOf(from, field);
  const last = valueOf(to, field);
  return more.length === 0 && first !== null && last !== null && first <= last;
}

function valueOf(text: string, field: Field): number | null {
  const named = field.names.indexOf(text.toUpperCase());
  if (named >= 0) return named + field.min;
  if (!/^\d{1,2}$/.test(text)) return null;
  const value = Number(text);
  return value >= field.min && value <= field.max ? value : null;
}
