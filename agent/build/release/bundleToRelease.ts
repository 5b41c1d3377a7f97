/**
 * Makes a folder that runs out of a bundle. The order is the container file's: packages first (installing them later
 * would prune what the bundle has in node_modules), the bundle over them, the commands of layers, and the bundle again,
 * because generators delete files of it.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import type { BuildLog } from "../log/buildLog";
import { parseContainerfile, type BuildStage } from "./containerfile";
import { installDependencies, type InstallOutcome } from "./dependencies";
import type { DependencyCache } from "./dependencyCache";
import { BuildError } from "../errors";
import { extractArchive } from "./extract";
import { isBun, nodeFor, type Runtimes } from "../../replicas/runtimes";
import { readBuildManifest, rewriteForBuild, type BuildManifest } from "./rewrite";
import type { Sandbox } from "../sandbox";

export type BundleToReleaseInput = {
  sandbox: Sandbox;
  cache: DependencyCache;
  log: BuildLog;
  workDir: string;
  /** The archive on disk. */
  bundle: string;
  /** Where the release is made; absolute, created here. */
  dir: string;
  environmentId: string;
  buildEnvVars: Record<string, string>;
  npmCache: string;
  /** System packages that this region provides, and its name for the message when one is missing. */
  region: { name: string; packages: readonly string[] };
  runtimes: Runtimes;
};
export type BuiltRelease = { dir: string; manifest: BuildManifest; install: InstallOutcome };

/** In every image that bundles are made for; nothing has to be provided for them. */
const ALWAYS_THERE = new Set(["busybox", "ca-certificates", "dumb-init", "git", "openssl"]);

/** Builds the release in `dir`. Throws a BuildError. */
export async function bundleToRelease(input: BundleToReleaseInput): Promise<BuiltRelease> {
  const { sandbox, log, bundle, dir } = input;
  await mkdir(dir, { recursive: true });
  const parts = ["package.json", "build.json", "Containerfile"];
  await extractArchive({ source: bundle, dir, only: (name) => parts.includes(name) });
  const manifest = await readBuildManifest(dir);
  checkPackages(manifest, input.region);
  if (!isBun(manifest.runtime)) sandbox.useNode(nodeFor(manifest.runtime, input.runtimes));
  const stage = await buildStageOf(dir);
  const env = pick(input.buildEnvVars, stage.buildArgs);
  await sandbox.giveTree(dir);
  const install = await installDependencies({ ...input, runtime: manifest.runtime, env });
  await extractArchive({ source: bundle, dir });
  if (stage.commands.length > 0) {
    await sandbox.giveTree(dir);
    await runCommands(input, stage.commands, env);
    await extractArchive({ source: bundle, dir });
  }
  if (!existsSync(path.join(dir, "node_modules"))) await mkdir(path.join(dir, "node_modules"));
  const rewritten = await rewriteForBuild(dir);
  await sandbox.giveTree(dir);
  log.write("debug", `Release of ${rewritten.runtime}: packages ${install}, ${stage.commands.length} layer commands.`);
  return { dir, manifest: rewritten, install };
}

async function buildStageOf(dir: string): Promise<BuildStage> {
  const text = await readFile(path.join(dir, "Containerfile"), "utf8").catch(() => "");
  return parseContainerfile(text);
}

async function runCommands(input: BundleToReleaseInput, commands: readonly string[], env: Record<string, string>): Promise<void> {
  const bin = path.join(input.dir, "node_modules/.bin");
  for (const command of commands) {
    input.log.write("info", `$ ${command}`);
    const variables = { ...env, NPM_CONFIG_CACHE: input.npmCache };
    // Bundles are made for /app, and so are the commands that name it.
    const local = command.replaceAll(/(^|[\s"'=:])\/app(?=\/|\s|"|'|$)/g, `$1${input.dir}`);
    await input.sandbox.expect(
      { command: "/bin/sh", args: ["-c", `PATH="$PATH:${bin}"\n${local}`], cwd: input.dir, env: variables },
      { what: `The build command "${command.slice(0, 200)}"`, code: "command_failed" }
    );
  }
}

function checkPackages(manifest: BuildManifest, region: BundleToReleaseInput["region"]): void {
  if (isBun(manifest.runtime) && !region.packages.includes("bun")) {
    throw new BuildError(
      `This project runs on Bun (runtime "${manifest.runtime}"), which region "${region.name}" does not provide. ` +
        "Install Bun on the region's machines and start their agents with --runtime bun=/path/to/bun, or use a Node runtime.",
      { kind: "user", code: "packages_missing" }
    );
  }
  const wanted = (manifest.image?.pkgs ?? []).filter((name) => !ALWAYS_THERE.has(name) && !region.packages.includes(name));
  const instructions = manifest.image?.instructions ?? [];
  if (wanted.length === 0 && instructions.length === 0) return;
  const list = wanted.length > 0 ? wanted.join(", ") : instructions.join("; ").slice(0, 500);
  throw new BuildError(
    `This project needs system packages that region "${region.name}" does not provide: ${list}. ` +
      "Install them on the region's workers and add them to its capabilities, or use a container region.",
    { kind: "user", code: "packages_missing" }
  );
}

function pick(values: Record<string, string>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]]])));
}
