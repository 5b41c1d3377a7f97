/**
 * Runs commands of a build: an environment that holds what is listed and nothing of the agent's, a process group of its
 * own, the build's user where the machine allows it, and nothing left behind when it ends.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { chmod, chown, mkdir } from "node:fs/promises";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { asUser, type LaunchCommand, type Variables } from "../isolation/isolation";
import { killAll, MARKER, signal as sendSignal } from "../replicas/proc";
import { BuildError, cancelled, noSpace, saysNetwork, saysNoSpace } from "./errors";
import type { BuildLog } from "./log/buildLog";
import type { Mask } from "./log/mask";
import type { BuildLogLevel } from "./protocol";
import { lastWords, plainLines } from "./log/terminal";

/** Kept of what a command wrote, to say why it failed; characters. */
const TAIL_CHARS = 16_000;
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** PATH of builds; `more`: folders to look in last. */
export function pathOfBuilds(...more: string[]): string {
  return [path.dirname(process.execPath), SYSTEM_PATH, ...more].join(":");
}

export type SandboxOptions = {
  /** Names the build among everything that this agent runs; goes into the environment of its processes. */
  name: string;
  /** Folder of the attempt; HOME and TMPDIR are made in it. */
  workDir: string;
  /** User of the build's processes; null: the agent's own (L0). */
  uid: number | null;
  /** Added to the environment of every command: registries, proxies, certificates. */
  env: Record<string, string>;
  /** Ends every command. Its reason is the text. */
  signal: AbortSignal;
  log: BuildLog;
  mask: Mask;
};

export type SandboxCommand = {
  command: string;
  args: string[];
  cwd: string;
  env?: Record<string, string>;
  /** Milliseconds; default 15 minutes. */
  timeoutMs?: number;
  /** Level of what it writes to its two outputs; default info and info: package managers write progress to stderr. */
  levels?: { stdout: BuildLogLevel; stderr: BuildLogLevel };
};

export type CommandResult = {
  /** Null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Ends of the outputs, unmasked. */
  stdout: string;
  stderr: string;
};

const DEFAULT_TIMEOUT_MS = 15 * 60_000;

export class Sandbox {
  /** The Node of the build's commands and of everything that they start: the agent's own until `useNode`. */
  node = process.execPath;

  constructor(readonly options: SandboxOptions) {}

  /** From now on commands find this Node first: packages with native addons are made for the version that runs them. */
  useNode(binary: string): void {
    this.node = binary;
  }

  /** Makes the folders that processes of the build need. Call once. */
  async prepare(): Promise<void> {
    for (const dir of [this.home, this.temporary]) {
      await mkdir(dir, { recursive: true });
      await this.give(dir);
      await chmod(dir, 0o700);
    }
  }

  /** Makes a file or folder the build's own. */
  async give(target: string): Promise<void> {
    if (this.options.uid !== null) await chown(target, this.options.uid, this.options.uid);
  }

  /** Makes a whole tree the build's own; links are not followed. */
  async giveTree(dir: string): Promise<void> {
    if (this.options.uid === null) return;
    const owner = `${this.options.uid}:${this.options.uid}`;
    const result = await runPlain("chown", ["-Rh", owner, dir]);
    if (result !== 0)
      throw new BuildError(`The builder could not hand ${dir} to the build's user.`, { kind: "machine", code: "builder_failed" });
  }

  /** Runs to the end; what it started is gone when this resolves. Rejects when cancelled, timed out, or not startable; a bad exit is a result. */
  async run(command: SandboxCommand): Promise<CommandResult> {
    const { signal } = this.options;
    if (signal.aborted) throw cancelled(reasonOf(signal));
    const launch = this.launchOf(command);
    const child = spawn(launch.command, launch.args, {
      cwd: command.cwd,
      env: launch.env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    return this.supervise(child, command);
  }

  /** As `run`; throws a BuildError for a bad exit: of a full disk, of the network, or of the user with `what` as text. */
  async expect(command: SandboxCommand, failure: { what: string; code: string }): Promise<CommandResult> {
    const result = await this.run(command);
    if (result.code === 0) return result;
    throw failureOf(result, failure, this.options.mask);
  }

  /** Ends everything that was started here, however it hides. */
  async killEverything(session: number | null = null): Promise<void> {
    await killAll(this.options.name, session);
    if (this.options.uid !== null) killUser(this.options.uid);
  }

  private get home(): string {
    return path.join(this.options.workDir, "home");
  }

  private get temporary(): string {
    return path.join(this.options.workDir, "tmp");
  }

  private launchOf(command: SandboxCommand): LaunchCommand {
    const { uid, env, name } = this.options;
    const places = { HOME: this.home, TMPDIR: this.temporary };
    const rest = env.PATH ?? pathOfBuilds();
    const variables: Variables = {
      LANG: "C.UTF-8",
      ...env,
      ...command.env,
      ...places,
      PATH: this.node === process.execPath ? rest : `${path.dirname(this.node)}:${rest}`,
      NODE_ENV: "production",
      [MARKER]: name,
    };
    const plain: LaunchCommand = { command: command.command, args: command.args, env: variables };
    if (uid === null) return plain;
    const launch = asUser(uid, plain, path.join(this.options.workDir, "homes"));
    return { ...launch, env: { ...launch.env, ...places } };
  }

  private async supervise(child: ChildProcess, command: SandboxCommand): Promise<CommandResult> {
    const { signal } = this.options;
    const session = child.pid ?? null;
    const outputs = this.collect(child, command);
    let timedOut = false;
    const kill = () => void this.killEverything(session);
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, command.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    signal.addEventListener("abort", kill, { once: true });
    try {
      const ended = await exitOf(child, command.command);
      // Grandchildren hold the outputs open: they go first.
      await this.killEverything(session);
      const { stdout, stderr } = await outputs.end();
      if (signal.aborted) throw cancelled(reasonOf(signal));
      if (timedOut) throw timeoutOf(command);
      return { ...ended, stdout, stderr };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", kill);
    }
  }

  private collect(child: ChildProcess, command: SandboxCommand) {
    const levels = command.levels ?? { stdout: "info", stderr: "info" };
    const stdout = new Tail(this.options.log.stream(levels.stdout));
    const stderr = new Tail(this.options.log.stream(levels.stderr));
    child.stdout?.on("data", (chunk: Buffer) => stdout.write(chunk));
    child.stderr?.on("data", (chunk: Buffer) => stderr.write(chunk));
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
    return {
      end: async () => {
        await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 2_000))]);
        return { stdout: stdout.end(), stderr: stderr.end() };
      },
    };
  }
}

class Tail {
  private text = "";

  constructor(private readonly log: { write(chunk: Buffer): void; end(): void }) {}

  write(chunk: Buffer): void {
    this.text = (this.text + chunk.toString("utf8")).slice(-TAIL_CHARS);
    this.log.write(chunk);
  }

  end(): string {
    this.log.end();
    return this.text;
  }
}

/** The error of a command that ended badly. */
export function failureOf(result: CommandResult, failure: { what: string; code: string }, mask: Mask): BuildError {
  const said = `${result.stderr}\n${result.stdout}`;
  const stderr = plainLines(mask(result.stderr.trim() || result.stdout.trim()))
    .join("\n")
    .slice(-TAIL_CHARS);
  if (saysNoSpace(said)) return noSpace(undefined, stderr);
  const how = result.signal ? `was ended by ${result.signal}` : `ended with status ${result.code}`;
  const last = lastWords(stderr) ?? lastWords(mask(result.stdout));
  const message = `${failure.what} ${how}${last ? `: ${last}` : ""}`;
  return new BuildError(message, { kind: saysNetwork(said) ? "network" : "user", code: failure.code, stderr });
}

function exitOf(child: ChildProcess, name: string): Promise<Pick<CommandResult, "code" | "signal">> {
  return new Promise((resolve, reject) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", (error) =>
      reject(new BuildError(`${name} could not be started: ${error.message}`, { kind: "machine", code: "command_missing", cause: error }))
    );
  });
}

function timeoutOf(command: SandboxCommand): BuildError {
  const minutes = Math.round((command.timeoutMs ?? DEFAULT_TIMEOUT_MS) / 60_000);
  return new BuildError(`${path.basename(command.command)} took longer than ${minutes} minutes and was ended.`, {
    kind: "user",
    code: "command_timeout",
  });
}

function reasonOf(signal: AbortSignal): string {
  return signal.reason instanceof Error ? signal.reason.message : "The build was cancelled.";
}

/** What cleared its environment and began a session of its own still has its user, which no other build on this machine has. */
function killUser(uid: number): void {
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    try {
      if (statSync(`/proc/${pid}`).uid === uid) sendSignal(pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

function runPlain(command: string, args: string[]): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: "ignore", env: { PATH: SYSTEM_PATH, NODE_ENV: "production" } });
    child.once("error", reject);
    child.once("exit", (code) => resolve(code));
  });
}
