/** Installs the packages that a bundle leaves outside of itself. */
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import type { BuildLog } from "../log/buildLog";
import type { DependencyCache } from "./dependencyCache";
import { BuildError } from "../errors";
import { isBun } from "../../replicas/runtimes";
import { retryNetwork } from "../retry";
import type { Sandbox } from "../sandbox";

export type InstallInput = {
  sandbox: Sandbox;
  cache: DependencyCache;
  log: BuildLog;
  /** Folder of the attempt. */
  workDir: string;
  /** Folder of the release; has package.json, gets node_modules. */
  dir: string;
  environmentId: string;
  runtime: string;
  /** Build variables. */
  env: Record<string, string>;
  /** Folder that npm keeps downloads in; of this environment alone. */
  npmCache: string;
};
export type InstallOutcome = "none" | "cached" | "installed";

const NPM_FLAGS = ["--no-audit", "--no-fund", "--no-save", "--no-package-lock", "--no-update-notifier"];

/** Leaves the packages in `dir/node_modules`. Throws a BuildError whose text is the package manager's last line. */
export async function installDependencies(input: InstallInput): Promise<InstallOutcome> {
  const packageJson = await readFile(path.join(input.dir, "package.json"), "utf8").catch(() => "{}");
  if (!hasDependencies(packageJson)) return "none";
  if (isBun(input.runtime)) {
    await bunInstall(input);
    return "installed";
  }
  const key = { environmentId: input.environmentId, packageJson, runtime: input.runtime };
  const target = path.join(input.dir, "node_modules");
  const cached = await input.cache.restore(key, target);
  if (cached) input.log.write("info", "Packages are unchanged; taken from the cache.");
  else await npmInstall(input, packageJson, key);
  await input.sandbox.giveTree(target);
  await runScripts(input);
  return cached ? "cached" : "installed";
}

function hasDependencies(packageJson: string): boolean {
  try {
    const { dependencies, optionalDependencies } = JSON.parse(packageJson) as Record<string, Record<string, string> | undefined>;
    return Object.keys({ ...dependencies, ...optionalDependencies }).length > 0;
  } catch (error) {
    throw new BuildError("package.json of the bundle is no JSON.", { kind: "user", code: "not_a_bundle", cause: error });
  }
}

/** Into a folder of its own and without scripts: what goes to the cache is what the registry sent. */
async function npmInstall(input: InstallInput, packageJson: string, key: Parameters<DependencyCache["store"]>[0]): Promise<void> {
  const { sandbox, cache, log, workDir, dir } = input;
  const staging = path.join(workDir, "packages");
  await mkdir(staging, { recursive: true });
  await writeFile(path.join(staging, "package.json"), packageJson);
  await sandbox.giveTree(staging);
  log.write("info", "Installing packages.");
  await retryNetwork(() => npm(input, staging, ["install", "--omit=dev", "--ignore-scripts", ...NPM_FLAGS]), {
    signal: sandbox.options.signal,
    onRetry: (error, attempt) => log.write("warn", `${error.message}. Trying again (${attempt + 1} of 3).`),
  });
  const installed = path.join(staging, "node_modules");
  if (!existsSync(installed)) await mkdir(installed);
  await cache.store(key, installed);
  await rename(installed, path.join(dir, "node_modules"));
}

/** Scripts of packages (native addons, generators): in the build's own copy, after the cache was filled. */
async function runScripts(input: InstallInput): Promise<void> {
  if (!(await hasInstallScripts(path.join(input.dir, "node_modules")))) return;
  input.log.write("info", "Running install scripts of packages.");
  await npm(input, input.dir, ["rebuild", ...NPM_FLAGS]);
}

/** From npm's own record of what it installed; unknown means yes. */
async function hasInstallScripts(nodeModules: string): Promise<boolean> {
  try {
    const text = await readFile(path.join(nodeModules, ".package-lock.json"), "utf8");
    const { packages } = JSON.parse(text) as { packages?: Record<string, { hasInstallScript?: boolean }> };
    return Object.values(packages ?? {}).some((entry) => entry.hasInstallScript === true);
  } catch {
    return true;
  }
}

async function npm(input: InstallInput, cwd: string, args: string[]): Promise<void> {
  await mkdir(input.npmCache, { recursive: true });
  await input.sandbox.giveTree(input.npmCache);
  await chmod(input.npmCache, 0o700);
  const env = { ...input.env, NPM_CONFIG_CACHE: input.npmCache, NPM_CONFIG_UPDATE_NOTIFIER: "false", CI: "1" };
  await input.sandbox.expect({ command: "npm", args, cwd, env }, { what: `npm ${args[0]}`, code: "install_failed" });
}

async function bunInstall(input: InstallInput): Promise<void> {
  input.log.write("info", "Installing packages with bun.");
  const command = { command: "bun", args: ["install", "--production", "--no-save"], cwd: input.dir, env: input.env };
  const install = () => input.sandbox.expect(command, { what: "bun install", code: "install_failed" });
  await retryNetwork(install, {
    signal: input.sandbox.options.signal,
    onRetry: (error, attempt) => input.log.write("warn", `${error.message}. Trying again (${attempt + 1} of 3).`),
  });
}
