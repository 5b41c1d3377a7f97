/** The agent of region `local`: a child of the server, restarted when it ends, ended with it. */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import type { Logger } from "./platform/logger";

/** Grows with each end, up to the last; an agent that ran for a minute begins anew; milliseconds. */
const RESTART_MS = [500, 1_000, 2_000, 5_000, 15_000];
const SETTLED_MS = 60_000;
/** It leaves busy replicas running and goes; one that hangs is killed; milliseconds. */
const STOP_LIMIT_MS = 4_000;

export type LocalAgentOptions = {
  /** Bundle of the agent. */
  entry: string;
  /** `agent.json`, written before. */
  file: string;
  dataDir: string;
  env: { PATH?: string; LOG_LEVEL: string };
  log: Logger;
};

export type LocalAgent = { stop(): Promise<void> };

/** Starts it; null with a warning when there is no bundle (a development build). */
export function startLocalAgent(options: LocalAgentOptions): LocalAgent | null {
  const { entry, file, dataDir, env, log } = options;
  if (!existsSync(entry)) {
    log.warn("agent.not_built", { entry, next: "npm run build" });
    return null;
  }
  let stopping = false;
  let ends = 0;
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;

  const start = () => {
    const startedAt = Date.now();
    const args = [entry, "--file", file, "--data-dir", path.join(dataDir, "agent"), "--drain-seconds", "0", "--with-parent"];
    // Standard input is the leash: it ends with the server, however the server ends.
    child = spawn(process.execPath, args, {
      stdio: ["pipe", "inherit", "inherit"],
      env: { ...env, NODE_ENV: "production" },
      // Ctrl-C at the terminal is the server's to hear; it stops the agent in order.
      detached: true,
    });
    const ended = (how: string) => {
      if (stopping) return;
      ends = Date.now() - startedAt > SETTLED_MS ? 0 : ends + 1;
      const wait = RESTART_MS[Math.min(ends, RESTART_MS.length - 1)] ?? 0;
      log.error("agent.ended", { how, restartMs: wait });
      timer = setTimeout(start, wait);
    };
    child.once("error", (error) => ended(error.message));
    child.once("exit", (code, signal) => ended(signal ?? `status ${code}`));
  };
  start();
  return {
    async stop() {
      stopping = true;
      clearTimeout(timer);
      const last = child;
      if (!last || last.exitCode !== null || last.signalCode !== null) return;
      const exited = new Promise<void>((resolve) => last.once("exit", () => resolve()));
      last.kill("SIGTERM");
      const limit = setTimeout(() => last.kill("SIGKILL"), STOP_LIMIT_MS);
      await exited;
      clearTimeout(limit);
    },
  };
}
