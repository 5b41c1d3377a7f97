/**
 * Makes a bundle of uploaded sources with the project's own CLI, attached to the deployment that is there already: it
 * uploads the bundle to the server as if it ran on the developer's machine, and the server ties it to the deployment.
 */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type { BuildLog } from "../log/buildLog";
import { BuildError } from "../errors";
import { extractArchive } from "../release/extract";
import { OFFLINE_PRELOAD } from "./offlinePreload";
import { cliOf, layoutOf, type ProjectLayout } from "./projectLayout";
import type { BuildAssignment } from "../protocol";
import { retryNetwork } from "../retry";
import type { Sandbox } from "../sandbox";

export type SourceToBundleInput = {
  sandbox: Sandbox;
  log: BuildLog;
  workDir: string;
  /** The archive of sources on disk. */
  source: string;
  assignment: BuildAssignment;
  /** Address of the server as the build reaches it. */
  apiUrl: string;
  npmCache: string;
  /** True once the server has tied a bundle to the deployment. */
  isBundled(): Promise<boolean>;
};

/** Resolves when the bundle is on the server. Throws a BuildError. */
export async function sourceToBundle(input: SourceToBundleInput): Promise<void> {
  const { sandbox, log, workDir, source, assignment } = input;
  const root = path.join(workDir, "source");
  await mkdir(root);
  const { entries } = await extractArchive({ source, dir: root });
  log.write("debug", `Unpacked ${entries} entries.`);
  await sandbox.giveTree(root);
  const layout = layoutOf(root, assignment.configFilePath);
  await install(input, layout);
  await bundle(input, layout);
  if (await input.isBundled()) return;
  throw new BuildError(
    "The CLI ended without uploading a bundle for this deployment. Use trigger.dev 4.6.0 or newer, and see the log for what it said.",
    { kind: "user", code: "bundle_missing" }
  );
}

async function install(input: SourceToBundleInput, layout: ProjectLayout): Promise<void> {
  const { command, args, env, shown } = layout.install;
  const { sandbox, log } = input;
  log.write("info", `$ ${shown}`);
  await prepareCache(input);
  const run = () =>
    sandbox.expect(
      { command, args, cwd: layout.installDir, env: { ...variables(input), ...env } },
      { what: shown, code: "install_failed" }
    );
  await retryNetwork(run, {
    signal: sandbox.options.signal,
    onRetry: (error, attempt) => log.write("warn", `${error.message}. Trying again (${attempt + 1} of 3).`),
  });
}

async function prepareCache({ npmCache, sandbox }: SourceToBundleInput): Promise<void> {
  await mkdir(npmCache, { recursive: true, mode: 0o700 });
  await sandbox.giveTree(npmCache);
}

async function bundle(input: SourceToBundleInput, layout: ProjectLayout): Promise<void> {
  const { sandbox, log, assignment, workDir, apiUrl } = input;
  const preload = path.join(workDir, "offline.cjs");
  await writeFile(preload, OFFLINE_PRELOAD, { mode: 0o644 });
  const cli = await cliOf(layout);
  log.write("info", `Bundling with trigger.dev ${cli.version}.`);
  const args = [...cli.args, "deploy", ...deployFlags(assignment, layout)];
  const env = {
    ...variables(input),
    NODE_OPTIONS: `--require=${preload}`,
    TRIGGER_ACCESS_TOKEN: assignment.token,
    TRIGGER_API_URL: apiUrl,
    TRIGGER_PROJECT_REF: assignment.projectRef,
    TRIGGER_GITHUB_APP: "true",
    GITHUB_HEAD_COMMIT_SHA: assignment.friendlyId,
    TRIGGER_TELEMETRY_DISABLED: "1",
  };
  const run = () =>
    sandbox.expect({ command: cli.command, args, cwd: layout.projectDir, env }, { what: "Bundling", code: "bundle_failed" });
  await retryNetwork(run, {
    signal: sandbox.options.signal,
    onRetry: (error, attempt) => log.write("warn", `${error.message}. Trying again (${attempt + 1} of 3).`),
  });
}

function deployFlags(assignment: BuildAssignment, layout: ProjectLayout): string[] {
  const config = layout.configFile === null ? [] : ["--config", layout.configFile];
  const branch = assignment.branchName === null ? [] : ["--branch", assignment.branchName];
  const quiet = ["--skip-update-check", "--skip-telemetry", "--plain"];
  return [...config, "--env", assignment.environmentSlug, ...branch, "--native-build", "--local-bundle", "--detach", ...quiet];
}

function variables({ npmCache, assignment }: SourceToBundleInput): Record<string, string> {
  return { ...assignment.buildEnvVars, CI: "1", NPM_CONFIG_CACHE: npmCache, NPM_CONFIG_UPDATE_NOTIFIER: "false" };
}
