/** What an agent has started and what is left of it: by the kernel's word, not by the agent's records. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";

type Record = { name: string; pid: number };

/** Folder below which everything that an agent starts has its HOME; the agent's own folder where it cannot change users. */
export function rootOf(agentDir: string): string {
  const dir = path.join(agentDir, "replicas");
  for (const name of existsSync(dir) ? readdirSync(dir) : []) {
    const file = path.join(dir, name, "record.json");
    if (!existsSync(file)) continue;
    const { pid } = JSON.parse(readFileSync(file, "utf8")) as Record;
    const home = /\0HOME=(.*?)\/homes\//.exec(`\0${environOf(pid)}`)?.[1];
    if (home) return home;
  }
  return agentDir;
}

/** Live processes that were started below `root`: replicas, their tasks, builds and whatever those started. */
export function processesBelow(root: string): string[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  return pids.filter((pid) => `${environOf(Number(pid))}\0${cwdOf(pid)}/`.includes(`${root}/`)).map((pid) => `${pid} ${commandOf(pid)}`);
}

function environOf(pid: number): string {
  return readQuietly(() => readFileSync(`/proc/${pid}/environ`, "utf8"));
}

const cwdOf = (pid: string) => readQuietly(() => readlinkSync(`/proc/${pid}/cwd`));
const commandOf = (pid: string) => readQuietly(() => readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "));

/** A process that has just ended, or a zombie, says nothing. */
function readQuietly(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}
