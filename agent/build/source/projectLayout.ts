/** What is in an uploaded source tree: where the project is, which package manager it uses, which CLI it has. */
import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { BuildError } from "../errors";
import { installIn, installWithoutLockfile, isBelow, type Install } from "./packageManager";

export type ProjectLayout = {
  /** Folder of the config file. */
  projectDir: string;
  /** Name of the config file in it; null: the CLI finds it. */
  configFile: string | null;
  /** Folder of the lockfile, at or above the project. */
  installDir: string;
  install: Install;
};

/** Reads the tree below `root`. Throws a BuildError for a config path that leaves it or does not exist. */
export function layoutOf(root: string, configFilePath: string | null): ProjectLayout {
  const config = configFilePath === null ? null : path.resolve(root, configFilePath);
  if (config !== null && (!isBelow(root, config) || !existsSync(config))) {
    throw new BuildError(`The config file "${configFilePath}" is not in the uploaded sources.`, { kind: "user", code: "config_missing" });
  }
  const projectDir = config === null ? root : path.dirname(config);
  const place = { projectDir, configFile: config === null ? null : path.basename(config) };
  for (let dir = projectDir; ; dir = path.dirname(dir)) {
    const install = installIn({ dir, root });
    if (install) return { ...place, installDir: dir, install };
    if (dir === root) return { ...place, installDir: workspaceRoot(root, projectDir), install: installWithoutLockfile() };
  }
}

/** Without a lockfile: the nearest folder above the project whose package.json names workspaces, else the project's own. */
function workspaceRoot(root: string, projectDir: string): string {
  for (let dir = projectDir; dir !== root; dir = path.dirname(dir)) {
    const parent = path.dirname(dir);
    if (namesWorkspaces(path.join(parent, "package.json"))) return parent;
  }
  return projectDir;
}

function namesWorkspaces(file: string): boolean {
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { workspaces?: unknown }).workspaces !== undefined;
  } catch {
    return false;
  }
}

/** Oldest CLI that can be told to bundle here and to attach. */
const OLDEST_CLI = "4.6.0";
/** The CLI for projects that have none, or an older one. */
const DEFAULT_CLI = "4.8.3";

export type CliCommand = { command: string; args: string[]; version: string };

/** The project's own CLI when it is new enough, else one from the registry. */
export async function cliOf(layout: ProjectLayout): Promise<CliCommand> {
  const own = await installedPackage(layout.projectDir, "trigger.dev");
  if (own && isAtLeast(own.version, OLDEST_CLI)) return { command: process.execPath, args: [own.bin], version: own.version };
  const sdk = await installedPackage(layout.projectDir, "@trigger.dev/sdk");
  const version = sdk && isAtLeast(sdk.version, OLDEST_CLI) ? sdk.version : DEFAULT_CLI;
  return { command: "npx", args: ["-y", `trigger.dev@${version}`], version };
}

type InstalledPackage = { version: string; bin: string };

/** As Node resolves it: from the project's folder upwards. */
async function installedPackage(from: string, name: string): Promise<InstalledPackage | null> {
  for (let dir = from; ; dir = path.dirname(dir)) {
    const folder = path.join(dir, "node_modules", name);
    const text = await readFile(path.join(folder, "package.json"), "utf8").catch(() => null);
    if (text !== null) return packageOf(folder, text);
    if (path.dirname(dir) === dir) return null;
  }
}

function packageOf(folder: string, text: string): InstalledPackage | null {
  try {
    const { version, bin } = JSON.parse(text) as { version?: unknown; bin?: string | Record<string, string> };
    if (typeof version !== "string") return null;
    const entry = typeof bin === "string" ? bin : (Object.values(bin ?? {})[0] ?? "index.js");
    return { version, bin: path.join(folder, entry) };
  } catch {
    return null;
  }
}

function isAtLeast(version: string, least: string): boolean {
  const parts = (text: string) => text.split("-")[0]?.split(".").map(Number) ?? [];
  const [have, want] = [parts(version), parts(least)];
  for (let at = 0; at < 3; at++) {
    const difference = (have[at] ?? 0) - (want[at] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
