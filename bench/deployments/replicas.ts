/** The local agent and its replicas, as they are on the disk and in /proc. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { processTree, proportionalBytes } from "../processes";
import type { Installation } from "../server";

const recordSchema = z.object({ name: z.string(), pid: z.number(), version: z.object({ version: z.string() }) });
export type Replica = { name: string; pid: number; version: string };

/** Pid of the agent that `npm start` started. */
function agentPid({ dataDir }: Installation): number {
  return z.object({ pid: z.number() }).parse(JSON.parse(readFileSync(path.join(dataDir, "agent/agent.pid"), "utf8"))).pid;
}

/** Replicas that the agent keeps. */
export function replicas({ dataDir }: Installation): Replica[] {
  const folder = path.join(dataDir, "agent/replicas");
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.flatMap((name) => {
    try {
      const { pid, version } = recordSchema.parse(JSON.parse(readFileSync(path.join(folder, name, "record.json"), "utf8")));
      return [{ name, pid, version: version.version }];
    } catch (error) {
      // The folder of a replica that is starting or being removed has no record.
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
      throw error;
    }
  });
}

/** The agent, its replicas, and whatever these have started. */
export function agentProcesses(installation: Installation): number[] {
  const roots = [agentPid(installation), ...replicas(installation).map(({ pid }) => pid)];
  return [...new Set(roots.flatMap(processTree))];
}

/** Their proportional set size in bytes. */
export function agentBytes(installation: Installation): number {
  return agentProcesses(installation).reduce((sum, pid) => sum + proportionalBytes(pid), 0);
}
