/** Which program starts a version, by the runtime that its project asks for. */
import path from "node:path";

/** Binaries by the name of a runtime, as on the command line of the agent. */
export type Runtimes = ReadonlyMap<string, string>;

export type Program = {
  command: string;
  flags: string[];
  /** First in the PATH of the replica. */
  folders: string[];
  env: Record<string, string>;
};

/** Flags of the controller itself; the process of the task gets its own from the machine of the run. */
const CONTROLLER_FLAGS = ["--max-semi-space-size=2", "--max-old-space-size=192"];
/** The images of the CLI for these have a Node, and run controllers use it; only tasks run on Bun. */
const WITH_NODE = new Set(["bun", "bun-legacy"]);

/** True for `bun` and its numbered kinds. */
export function isBun(runtime: string): boolean {
  return runtime === "bun" || runtime.startsWith("bun-");
}

/** What this agent calls Bun for `runtime`; null when it has none. */
export function bunFor(runtimes: Runtimes, runtime = "bun"): string | null {
  return runtimes.get(runtime) ?? runtimes.get("bun") ?? null;
}

/** The Node that a project for `runtime` is built and indexed with; the agent's own stands in for one that it was not given. */
export function nodeFor(runtime: string | null, runtimes: Runtimes): string {
  return (runtime === null ? undefined : runtimes.get(runtime)) ?? process.execPath;
}

/** How a run controller is started. The agent's own Node stands in for one that it was not given; nothing stands in for Bun. */
export function programFor(runtime: string | null, runtimes: Runtimes): Program {
  const own = process.execPath;
  if (runtime === null || !isBun(runtime)) {
    const node = nodeFor(runtime, runtimes);
    return { command: node, flags: CONTROLLER_FLAGS, folders: [path.dirname(node)], env: {} };
  }
  const bun = bunFor(runtimes, runtime);
  if (bun === null)
    throw new Error(
      `This version runs on Bun (runtime "${runtime}"), which its agent lacks. Start agents with --runtime bun=/path/to/bun.`
    );
  const folder = path.dirname(bun);
  // Where the controller looks for the program of its tasks.
  const shared = { folders: [path.dirname(own), folder], env: { BUN_INSTALL_BIN: folder } };
  return WITH_NODE.has(runtime) ? { ...shared, command: own, flags: CONTROLLER_FLAGS } : { ...shared, command: bun, flags: [] };
}
