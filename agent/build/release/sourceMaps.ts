/**
 * The maps of a bundle name its sources by the way from the folder in which the CLI wrote it, three folders below the
 * project. Unpacked elsewhere, that way ends in some folder of the agent's machine, and traces show it.
 */
import path from "node:path";

/** Maps of installed packages came with them, and lead to where they lie. */
export function isBundleMap(name: string): boolean {
  return name.endsWith(".map") && !name.startsWith("node_modules/");
}

/** The map `name` of a release with sources as if the project were the root of all files; null when it can stay as it is. */
export function rootedMap(name: string, text: string): Buffer | null {
  const map = parse(text);
  if (!map) return null;
  const sources = map.sources.map((source) => rooted(name, source));
  if (sources.every((source, index) => source === map.sources[index])) return null;
  return Buffer.from(JSON.stringify({ ...map, sources }));
}

/** Sources that lie in the release are left alone. */
function rooted(name: string, source: unknown): unknown {
  if (typeof source !== "string" || !source.startsWith("../")) return source;
  const place = path.posix.join(path.posix.dirname(name), source);
  return place.startsWith("../") ? `/${place.replace(/^(\.\.\/)+/, "")}` : source;
}

function parse(text: string): { sources: unknown[] } | null {
  try {
    const value = JSON.parse(text) as { sources?: unknown } | null;
    return value && Array.isArray(value.sources) ? (value as { sources: unknown[] }) : null;
  } catch {
    return null;
  }
}
