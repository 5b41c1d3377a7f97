/** Run metadata between its stored text and the object that operations work on. */

export type Metadata = Record<string, unknown>;

/** The object in a stored packet; undefined when there is none or when it is not an object. */
export function parseMetadata(text: string | null, type: string): Metadata | undefined {
  if (!text) return undefined;
  const value = parseJson(text);
  const inner = type === "application/super+json" && isRecord(value) && "json" in value ? value["json"] : value;
  return isRecord(inner) ? inner : undefined;
}

/** JSON, or undefined when it is malformed. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** True for a plain JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
