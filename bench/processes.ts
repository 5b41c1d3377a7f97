/** What processes cost, from /proc (Linux only: the numbers of the table are of the build machine). */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { procStat } from "../app/platform/embedded/processes.server";

/** Linux counts CPU time in hundredths of a second for every architecture that Node runs on. */
const MICROSECONDS_PER_TICK = 10_000;

/** User and system time in microseconds of a process and of its children that have ended; 0 once it is gone. */
export function cpuMicroseconds(pid: number): number {
  const fields = procStat(pid);
  if (!fields) return 0;
  const [user, system, childUser, childSystem] = [11, 12, 13, 14].map((index) => Number(fields[index]));
  return ((user ?? 0) + (system ?? 0) + (childUser ?? 0) + (childSystem ?? 0)) * MICROSECONDS_PER_TICK;
}

/** The process and all its living descendants. */
export function processTree(root: number): number[] {
  const parents = new Map<number, number>();
  for (const pid of allPids()) parents.set(pid, Number(procStat(pid)?.[1]));
  const tree = new Set([root]);
  for (let size = 0; size !== tree.size; ) {
    size = tree.size;
    for (const [pid, parent] of parents) if (tree.has(parent)) tree.add(pid);
  }
  return [...tree];
}

/** Resident memory of one process in bytes. */
export function residentBytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes ?? Number.NaN) * 1024;
}

/** What a process takes up in bytes: its own pages, and its share of each that others have too. 0 once it is gone. */
export function proportionalBytes(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0) * 1024;
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH")) return 0;
    throw error;
  }
}

/** The process that listens on a loopback or wildcard TCP port, or undefined. */
export function listeningPid(port: number): number | undefined {
  const inodes = new Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap((file) => listeningInodes(file, port)));
  return allPids().find((pid) => socketInodes(pid).some((inode) => inodes.has(inode)));
}

const LISTEN = "0A";

function listeningInodes(file: string, port: number): string[] {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  const lines = readFileSync(file, "utf8").trim().split("\n").slice(1);
  return lines.flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    return fields[1]?.endsWith(`:${hexPort}`) && fields[3] === LISTEN && fields[9] ? [fields[9]] : [];
  });
}

function socketInodes(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1] ?? []);
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function allPids(): number[] {
  return readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}
