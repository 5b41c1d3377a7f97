/** A bundle is made for `/app`. Here it is given the folder that it is built in, and `/app` again before it is packed. */
import { readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { relocateBuild, relocateIndex } from "../../releases/relocate";
import { BuildError } from "../errors";

/** The root that bundles and packed releases are written for: equal builds in different folders have equal bytes. */
const CANONICAL_ROOT = "/app/";

/** Fields of `build.json` that a build reads. */
export type BuildManifest = Record<string, unknown> & {
  runtime: string;
  indexControllerEntryPoint: string;
  contentHash: string;
  image?: { pkgs?: string[]; instructions?: string[] };
};

/** Reads `build.json`; throws a BuildError of kind user when the archive holds no bundle. */
export async function readBuildManifest(dir: string): Promise<BuildManifest> {
  const text = await readFile(path.join(dir, "build.json"), "utf8").catch(() => null);
  const manifest = text === null ? null : parseObject(text);
  const fields = ["runtime", "indexControllerEntryPoint", "contentHash"];
  if (manifest && fields.every((field) => typeof manifest[field] === "string")) return manifest as BuildManifest;
  throw new BuildError("The upload is not a bundle: it has no build.json as the CLI writes it. Deploy again with CLI 4.6.0 or newer.", {
    kind: "user",
    code: "not_a_bundle",
  });
}

/** Writes `build.json` for `dir`; only the nine fields with paths change. Returns it. */
export async function rewriteForBuild(dir: string): Promise<BuildManifest> {
  const manifest = await readBuildManifest(dir);
  const moved = relocateBuild(manifest, CANONICAL_ROOT, `${dir}/`) as BuildManifest;
  const file = path.join(dir, "build.json");
  await writeFile(`${file}.new`, JSON.stringify(moved));
  await rename(`${file}.new`, file);
  return moved;
}

/** `build.json` and `index.json` of a built release as they are packed. */
export async function canonicalManifests(dir: string): Promise<Map<string, Buffer>> {
  const from = `${dir}/`;
  const build = await readObject(dir, "build.json");
  const index = await readObject(dir, "index.json");
  return new Map([
    ["build.json", Buffer.from(JSON.stringify(relocateBuild(build, from, CANONICAL_ROOT)))],
    ["index.json", Buffer.from(JSON.stringify(relocateIndex(index, from, CANONICAL_ROOT)))],
  ]);
}

async function readObject(dir: string, name: string): Promise<Record<string, unknown>> {
  const text = await readFile(path.join(dir, name), "utf8");
  const value = parseObject(text);
  if (value) return value;
  throw new BuildError(`${name} of the release is no JSON object.`, { kind: "user", code: "not_a_bundle" });
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
