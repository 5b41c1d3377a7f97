/** Child processes of the end-to-end tests: own process group each, output kept, nothing left behind. */
import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Root of the repository. */
export const repoRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");

export type Spawned = {
  readonly pid: number;
  /** Everything printed so far, both streams. */
  output(): string;
  /** Resolves when the output matches; rejects with the output when the process ends or the time is over. */
  waitFor(pattern: RegExp, timeoutMs: number): Promise<void>;
  /** Signals the whole group; resolves when the leader has ended. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Exit code (null when ended by a signal), once the process has ended. */
  readonly ended: Promise<number | null>;
};

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) signalGroup(child, "SIGKILL");
});

/** Starts a command in its own process group. */
export function spawnGroup(
  command: string,
  args: readonly string[],
  options: { cwd: string; env: Record<string, string | undefined> }
): Spawned {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { NODE_ENV: "production", ...options.env },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let text = "";
  const listeners = new Set<() => void>();
  const keep = (chunk: Buffer) => {
    text += chunk.toString("utf8");
    for (const listener of listeners) listener();
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const ended = new Promise<number | null>((resolve) => {
    child.once("exit", (code) => {
      running.delete(child);
      resolve(code);
      for (const listener of listeners) listener();
    });
  });
  return {
    pid: child.pid ?? -1,
    ended,
    output: () => text,
    waitFor: (pattern, timeoutMs) =>
      new Promise<void>((resolve, reject) => {
        const finish = (error?: Error) => {
          clearTimeout(timer);
          listeners.delete(check);
          if (error) reject(error);
          else resolve();
        };
        const check = () => {
          if (pattern.test(text)) finish();
          else if (child.exitCode !== null || child.signalCode !== null)
            finish(new Error(`${command} ended (${child.exitCode ?? child.signalCode}) before ${pattern}:\n${text}`));
        };
        const timer = setTimeout(() => finish(new Error(`No ${pattern} within ${timeoutMs} ms:\n${text}`)), timeoutMs);
        listeners.add(check);
        check();
      }),
    async kill(signal = "SIGKILL") {
      signalGroup(child, signal);
      await ended;
    },
  };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    child.kill(signal);
  }
}

/** Calls `probe` every 50 ms until it returns something; the last error or value is in the message when time is over. */
export async function eventually<T>(what: string, timeoutMs: number, probe: () => Promise<T | null | undefined | false>): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      const value = await probe();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(
    `${what}: not within ${timeoutMs} ms; last: ${last instanceof Error ? (last.stack ?? last.message) : JSON.stringify(last)}`
  );
}
