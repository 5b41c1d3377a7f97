/**
 * Processes as the kernel tells of them. Pids are reused, so a process is named by its pid and its start time, and what it
 * started is found by a marker in the environment, which detached grandchildren inherit as well.
 */
import { readdirSync, readFileSync } from "node:fs";

/** Name of the marker variable; its value is the name of the replica. */
export const MARKER = "SLUICE_REPLICA";

/** Start time of a live process in clock ticks since boot; null when there is none, or only a zombie. "" without /proc. */
export function startTimeOf(pid: number): string | null {
  const fields = statOf(pid);
  if (fields) return fields.state === "Z" || fields.state === "X" ? null : fields.startTime;
  if (hasProc()) return null;
  return isSignalable(pid) ? "" : null;
}

/** True while the process that had this start time lives. */
export function isAlive(pid: number, startTime: string): boolean {
  return startTimeOf(pid) === startTime;
}

/** Live processes that carry the marker of `replica`, or belong to the session that the (verified) pid leads. */
export function processesOf(replica: string, session: number | null): number[] {
  if (!hasProc()) return [];
  const needle = Buffer.from(`${MARKER}=${replica}\0`);
  return allPids().filter((pid) => {
    const stat = statOf(pid);
    if (!stat || stat.state === "Z" || stat.state === "X") return false;
    return stat.session === session || environOf(pid).includes(needle);
  });
}

/** Names of replicas whose marker is in the environment of a live process, with one pid each. One pass over /proc. */
export function markedReplicas(): Map<string, number> {
  const found = new Map<string, number>();
  const needle = Buffer.from(`${MARKER}=`);
  for (const pid of hasProc() ? allPids() : []) {
    if (pid === process.pid) continue;
    const environ = environOf(pid);
    const at = environ.indexOf(needle);
    if (at < 0 || statOf(pid)?.state === "Z") continue;
    const end = environ.indexOf(0, at);
    found.set(environ.toString("utf8", at + needle.length, end < 0 ? undefined : end), pid);
  }
  return found;
}

/** Sends a signal; false when the process is gone already. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}

/**
 * SIGKILL for a replica's session and for everything with its marker, repeated until nothing is left: a process that forks
 * while it is being killed is caught by the next pass. `session`: pid of the leader, when it lives or has only just ended
 * (its number is then not in use for anything else); null when only the marker may be trusted. Resolves with the pids that
 * would not go.
 */
export async function killAll(replica: string, session: number | null): Promise<number[]> {
  if (session !== null) signal(-session, "SIGKILL");
  let left: number[] = [];
  for (let pass = 0; pass < 20; pass++) {
    left = processesOf(replica, session);
    if (left.length === 0) return [];
    for (const pid of left) signal(pid, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 25 + pass * 10));
  }
  return left;
}

type Stat = { state: string; session: number; startTime: string };

/** Fields 3, 6 and 22 of /proc/<pid>/stat; the name (field 2) may contain spaces and parentheses. */
function statOf(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", session: Number(fields[3]), startTime: fields[19] ?? "" };
  } catch {
    return null;
  }
}

/** Empty for processes of other users, and for those that have just ended. */
function environOf(pid: number): Buffer {
  try {
    return readFileSync(`/proc/${pid}/environ`);
  } catch {
    return Buffer.alloc(0);
  }
}

function allPids(): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid > 0);
}

let proc: boolean | undefined;
function hasProc(): boolean {
  proc ??= statOf(process.pid) !== null;
  return proc;
}

function isSignalable(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
