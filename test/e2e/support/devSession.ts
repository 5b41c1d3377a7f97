/** The real `trigger dev` in a project of its own, and programs that use the real SDK. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { eventually, repoRoot, spawnGroup, type Spawned } from "./processes";
import type { Sluice } from "./sluice";

const clientDir = path.join(repoRoot, "test/e2e/client");
const cliEntry = path.join(clientDir, "node_modules/trigger.dev/dist/esm/index.js");

export type DevSession = {
  projectDir: string;
  /** Lines that tasks wrote: one an attempt (see `record` in tasks.ts). */
  log(): string[];
  output(): string;
  /** Ends the CLI as Ctrl-C would, or with the given signal; removes the project. */
  stop(signal?: NodeJS.Signals): Promise<void>;
};

/** A copy of the test project inside the client's folder, so that its packages resolve. */
export function makeProject(): { dir: string; logFile: string; remove(): void } {
  const root = path.join(clientDir, ".work");
  mkdirSync(root, { recursive: true });
  const dir = mkdtempSync(path.join(root, "project-"));
  cpSync(path.join(clientDir, "project"), dir, { recursive: true });
  return { dir, logFile: path.join(dir, "executions.log"), remove: () => rmSync(dir, { recursive: true, force: true }) };
}

/**
 * A copy of examples/hello-world outside the repository, with a lockfile of its own: what a source upload packs is found by
 * looking for lockfiles and git roots upwards. Its packages are the client's, and are not packed.
 */
export function makeStandaloneProject(): { dir: string; remove(): void } {
  const dir = mkdtempSync(path.join(os.tmpdir(), "sluice-source-"));
  cpSync(path.join(repoRoot, "examples/hello-world"), dir, {
    recursive: true,
    filter: (source) => !/node_modules|\.demo|\.bench|\.trigger/.test(source),
  });
  symlinkSync(path.join(clientDir, "node_modules"), path.join(dir, "node_modules"));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

/** Environment of a CLI call against `sluice`: nothing outside is asked, no configuration of the machine's user is read. */
export function cliEnvironment(sluice: Sluice, projectDir: string): Record<string, string | undefined> {
  return {
    PATH: process.env.PATH,
    HOME: projectDir,
    NODE_OPTIONS: `--require=${path.join(repoRoot, "test/e2e/offline.cjs")}`,
    TRIGGER_ACCESS_TOKEN: sluice.credentials.personalAccessToken,
    TRIGGER_API_URL: sluice.origin,
    TRIGGER_TELEMETRY_DISABLED: "1",
    SLUICE_PROJECT_REF: sluice.credentials.projectRef,
    SLUICE_E2E_LOG: path.join(projectDir, "executions.log"),
  };
}

/** Runs the CLI to its end. */
export function runCli(sluice: Sluice, projectDir: string, args: readonly string[], env: Record<string, string | undefined> = {}): Spawned {
  return spawnGroup(process.execPath, [cliEntry, ...args], { cwd: projectDir, env: { ...cliEnvironment(sluice, projectDir), ...env } });
}

/** Starts `trigger dev` and waits until its worker is registered. */
export async function startDevSession(sluice: Sluice): Promise<DevSession> {
  const project = makeProject();
  const before = await currentVersion(sluice);
  const cli = runCli(sluice, project.dir, ["dev", "--skip-update-check", "--skip-platform-notifications"]);
  try {
    await eventually("registration of the dev worker", 60_000, async () => {
      const now = await currentVersion(sluice);
      return now !== null && (now !== before || /ready/i.test(cli.output()));
    });
  } catch (error) {
    const output = cli.output();
    await cli.kill();
    throw new Error(`trigger dev did not register:\n${output}`, { cause: error });
  }
  return {
    projectDir: project.dir,
    log: () => (existsSync(project.logFile) ? readFileSync(project.logFile, "utf8").split("\n").filter(Boolean) : []),
    output: cli.output,
    stop: async (signal = "SIGINT") => {
      const timer = setTimeout(() => void cli.kill("SIGKILL"), 5_000);
      await cli.kill(signal);
      clearTimeout(timer);
      project.remove();
    },
  };
}

async function currentVersion(sluice: Sluice): Promise<string | null> {
  const answer = await fetch(`${sluice.origin}/api/v1/projects/${sluice.credentials.projectRef}/dev/workers/current`, {
    headers: { authorization: `Bearer ${sluice.credentials.personalAccessToken}` },
  });
  if (!answer.ok) return null;
  const body = (await answer.json()) as { worker?: { id: string } };
  return body.worker?.id ?? null;
}

export type DriverStep = { name: string; ok: boolean; value?: unknown; error?: string };

/** Runs `drivers/<file>` with the environment's key; its last line is JSON. */
export async function runDriver(sluice: Sluice, file: string, timeoutMs: number): Promise<DriverStep[]> {
  const child = spawnGroup(process.execPath, [path.join(clientDir, "drivers", file)], {
    cwd: clientDir,
    env: {
      PATH: process.env.PATH,
      HOME: clientDir,
      TRIGGER_API_URL: sluice.origin,
      TRIGGER_SECRET_KEY: sluice.credentials.environments.dev.secretKey,
    },
  });
  const timer = setTimeout(() => void child.kill(), timeoutMs);
  const code = await child.ended;
  clearTimeout(timer);
  const line = child.output().trim().split("\n").at(-1) ?? "";
  if (code !== 0 || !line.startsWith("[")) throw new Error(`${file} ended with ${code}:\n${child.output()}`);
  return JSON.parse(line) as DriverStep[];
}
