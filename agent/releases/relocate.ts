/** A release knows where it was built by absolute paths in `build.json` and `index.json`. They are rewritten where it is unpacked, in these two files and nowhere else. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { guardController, guardWorker } from "./guards";

/** Fields of `build.json` that hold paths; `files[].out` is the ninth. */
const BUILD_FIELDS = [
  "outputPath",
  "configPath",
  "runControllerEntryPoint",
  "runWorkerEntryPoint",
  "indexControllerEntryPoint",
  "indexWorkerEntryPoint",
  "loaderEntryPoint",
  "initEntryPoint",
] as const;
/** Fields of `index.json` that hold paths, at the top and inside tasks. */
const INDEX_FIELDS = new Set([
  "configPath",
  "controllerEntryPoint",
  "workerEntryPoint",
  "loaderEntryPoint",
  "initEntryPoint",
  "entryPoint",
]);

const buildSchema = z.looseObject({
  outputPath: z.string(),
  runControllerEntryPoint: z.string(),
  files: z.array(z.looseObject({ out: z.string() })),
});
const indexSchema = z.looseObject({
  controllerEntryPoint: z.string(),
  processKeepAlive: z.unknown().optional(),
});

export type RelocateOptions = {
  /** Where the release is, absolute. */
  dir: string;
  /** Turn `processKeepAlive` on where the user's config says nothing. */
  processKeepAlive: boolean;
};
export type Relocated = { controllerEntryPoint: string };

/** Rewrites both files. Throws when the folder holds no release. */
export function relocate({ dir, processKeepAlive }: RelocateOptions): Relocated {
  const root = `${dir.replace(/\/+$/, "")}/`;
  const build = parse(dir, "build.json", buildSchema);
  const index = parse(dir, "index.json", indexSchema);
  const builtAt = `${build.outputPath.replace(/\/+$/, "")}/`;
  const entry = relativeTo(build.runControllerEntryPoint, builtAt);
  if (entry === null) throw new Error(`build.json: runControllerEntryPoint is outside of outputPath ${build.outputPath}`);
  if (!index.controllerEntryPoint.endsWith(`/${entry}`))
    throw new Error(`index.json: controllerEntryPoint ${index.controllerEntryPoint} is not ${entry} of build.json`);
  const indexedAt = index.controllerEntryPoint.slice(0, -entry.length);
  save(dir, "build.json", relocateBuild(build, builtAt, root));
  const moved = relocateIndex(index, indexedAt, root);
  if (processKeepAlive && index.processKeepAlive === undefined) moved.processKeepAlive = { enabled: true };
  const worker = moved.workerEntryPoint;
  if (typeof worker === "string" && worker.startsWith(root)) moved.workerEntryPoint = guardWorker(root, worker);
  save(dir, "index.json", moved);
  return { controllerEntryPoint: guardController(root, root + entry) };
}

/** The nine fields of `build.json`; its sources are left alone, whatever they contain. */
export function relocateBuild(build: Record<string, unknown>, from: string, to: string): Record<string, unknown> {
  const moved = { ...build };
  for (const field of BUILD_FIELDS) if (typeof build[field] === "string") moved[field] = move(build[field], from, to);
  if (Array.isArray(build.files)) moved.files = build.files.map((file: { out: string }) => ({ ...file, out: move(file.out, from, to) }));
  return moved;
}

/** Entry points in `index.json`, at the top and inside tasks. */
export function relocateIndex(index: Record<string, unknown>, from: string, to: string): Record<string, unknown> {
  const within = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(within);
    return typeof value === "object" && value !== null ? relocateIndex(value as Record<string, unknown>, from, to) : value;
  };
  return Object.fromEntries(
    Object.entries(index).map(([key, value]) => [key, INDEX_FIELDS.has(key) ? move(value, from, to) : within(value)])
  );
}

function move(value: unknown, from: string, to: string): unknown {
  if (typeof value !== "string") return value;
  const rest = relativeTo(value, from);
  return rest === null ? value : to + rest;
}

/** `outputPath` itself has the slash at its end, or has not. */
function relativeTo(value: string, from: string): string | null {
  if (value.startsWith(from)) return value.slice(from.length);
  return `${value}/` === from ? "" : null;
}

function parse<T>(dir: string, name: string, schema: z.ZodType<T>): T {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path.join(dir, name), "utf8"));
  } catch (error) {
    throw new Error(`The release has no readable ${name}.`, { cause: error });
  }
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  throw new Error(`${name} of the release is not what the CLI writes: ${parsed.error.message}`);
}

function save(dir: string, name: string, value: unknown): void {
  const file = path.join(dir, name);
  writeFileSync(`${file}.new`, JSON.stringify(value));
  renameSync(`${file}.new`, file);
}
