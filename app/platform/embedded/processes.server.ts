/** Child processes that outlive a `kill -9` of this one: telling whether they run, stopping them, finding free ports. */
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const POLL_MS = 20;
const LOG_TAIL_LINES = 15;

/** Whether `pid` runs. A zombie (ended, not yet collected by its parent) counts as gone; `kill -0` would count it. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM" && !isZombie(pid);
  }
  return !isZombie(pid);
}

function isZombie(pid: number): boolean {
  return procStat(pid)?.[0] === "Z";
}

/** Fields of `/proc/<pid>/stat` from the state on; undefined where there is no /proc. */
export function procStat(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

const START_TIME_FIELD = 19;

/** What tells two processes of one pid apart (kernel ticks at its start); empty where the system does not say. */
export function processStamp(pid: number): string {
  return procStat(pid)?.[START_TIME_FIELD] ?? "";
}

/** Sends a signal; a process that is already gone is no error. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Polls until `check` gives a value; undefined after `timeoutMs`. */
export async function pollUntil<T>(timeoutMs: number, check: () => T | undefined | Promise<T | undefined>): Promise<T | undefined> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value !== undefined) return value;
    if (Date.now() >= deadline) return undefined;
    await delay(POLL_MS);
  }
}

/** Sends `signals` one after the other, each with its share of `timeoutMs`, until the process is gone; then SIGKILL. */
export async function stopProcess(pid: number, signals: readonly NodeJS.Signals[], timeoutMs: number): Promise<void> {
  for (const signal of [...signals, "SIGKILL" as const]) {
    sendSignal(pid, signal);
    if (await pollUntil(timeoutMs / signals.length, () => (isRunning(pid) ? undefined : true))) return;
  }
}

/** A loopback TCP port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (address && typeof address === "object" ? resolve(address.port) : reject(new Error("No free port."))));
    });
  });
}

export type DaemonOptions = {
  command: string;
  args: readonly string[];
  /** Standard output and error are appended to it, so that they survive the death of this process. */
  logFile: string;
  user?: { uid: number; gid: number };
  env?: NodeJS.ProcessEnv;
};

/** Starts a child in its own process group: a Ctrl-C meant for us must not stop a database before we have finished. */
export function spawnDaemon(options: DaemonOptions): ChildProcess {
  const log = openSync(options.logFile, "a", 0o600);
  try {
    const settings: SpawnOptions = { detached: true, stdio: ["ignore", log, log], cwd: "/", env: options.env, ...options.user };
    const child = spawn(options.command, options.args, settings);
    child.on("error", () => undefined);
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

/** Last lines of a log, for an error message. */
export function logTail(file: string): string {
  if (!existsSync(file)) return "(no log)";
  return readFileSync(file, "utf8").trimEnd().split("\n").slice(-LOG_TAIL_LINES).join("\n");
}
