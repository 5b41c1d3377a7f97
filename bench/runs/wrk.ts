/** Closed-loop load with wrk. Any answer that is not 2xx, and any socket error, fails the step. */
import { execFileSync, spawn } from "node:child_process";
import path from "node:path";

export type LoadResult = { perSecond: number; p50Ms: number; p99Ms: number; requests: number };

export type LoadOptions = {
  url: string;
  connections: number;
  seconds: number;
  script: "plain.lua" | "trigger.lua";
  args?: readonly string[];
};

const UNITS: Record<string, number> = { us: 1e-3, ms: 1, s: 1_000, m: 60_000 };

/** True when wrk can be started; installs it through apt first where that is possible, saying so. */
export function ensureWrk(say: (line: string) => void): boolean {
  if (runs("wrk", ["--version"])) return true;
  if (process.getuid?.() !== 0 || !runs("apt-get", ["--version"])) return false;
  say("wrk is missing: installing it with apt-get install wrk.");
  return runs("apt-get", ["install", "-y", "-q", "wrk"]) && runs("wrk", ["--version"]);
}

/** wrk exits with 1 after printing its version. */
function runs(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: "ignore" });
    return true;
  } catch (error) {
    return error instanceof Error && "status" in error && error.status === 1 && command === "wrk";
  }
}

/** One run of wrk with one thread. */
export async function runWrk(options: LoadOptions): Promise<LoadResult> {
  const script = path.join(import.meta.dirname, options.script);
  const args = ["-t1", `-c${options.connections}`, `-d${options.seconds}s`, "--latency", "--timeout", "10s", "-s", script, options.url];
  const child = spawn("wrk", [...args, "--", ...(options.args ?? [])], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(`wrk ended with ${code}:\n${output}`))));
  });
  return parseWrk(output);
}

/** The figures of wrk's report. Throws with wrk's own line when something failed. */
export function parseWrk(output: string): LoadResult {
  const failure = /(Non-2xx|Socket errors).*/.exec(output);
  if (failure) throw new Error(`Not every request succeeded: ${failure[0]}`);
  return {
    perSecond: Number(required(output, /Requests\/sec:\s+([\d.]+)/)),
    p50Ms: milliseconds(required(output, /\s50%\s+(\S+)/)),
    p99Ms: milliseconds(required(output, /\s99%\s+(\S+)/)),
    requests: Number(required(output, /(\d+) requests in/)),
  };
}

function required(output: string, pattern: RegExp): string {
  const value = pattern.exec(output)?.[1];
  if (value === undefined) throw new Error(`wrk printed something unexpected:\n${output}`);
  return value;
}

function milliseconds(text: string): number {
  const [, number, unit] = /^([\d.]+)(us|ms|s|m)$/.exec(text) ?? [];
  return Number(number) * (UNITS[unit ?? ""] ?? Number.NaN);
}
