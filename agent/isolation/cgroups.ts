/** Memory and CPU limits by cgroup v2: one group a replica, below one of the agent's. */
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { LaunchCommand } from "./isolation";

const DEFAULT_ROOT = "/sys/fs/cgroup";
const PARENT = "sluice";
const CPU_PERIOD_US = 100_000;
/** The controller of a run and its sockets, besides the machine that the task was promised; bytes. */
const OVERHEAD_BYTES = 128 * 1024 * 1024;

/** Why limits cannot be set, or null. */
export function cgroupProblem(root = DEFAULT_ROOT): string | null {
  const controllers = path.join(root, "cgroup.controllers");
  if (!existsSync(controllers)) return "this machine has no cgroup v2 hierarchy at /sys/fs/cgroup.";
  const names = readFileSync(controllers, "utf8").trim().split(/\s+/);
  const missing = ["memory", "cpu"].filter((name) => !names.includes(name));
  if (missing.length > 0) return `cgroup v2 is mounted without the controllers ${missing.join(" and ")}.`;
  try {
    accessSync(root, constants.W_OK);
    return null;
  } catch {
    return "the agent may not write to /sys/fs/cgroup.";
  }
}

export class Cgroups {
  private readonly parent: string;

  constructor(root = DEFAULT_ROOT) {
    this.parent = path.join(root, PARENT);
  }

  /** Makes the group of a replica. Machine: cpu in cores, memory in GB; 0 means no limit. */
  create(replica: string, machine: { cpu: number; memory: number }): void {
    mkdirSync(this.parent, { recursive: true });
    writeFileSync(path.join(path.dirname(this.parent), "cgroup.subtree_control"), "+memory +cpu");
    writeFileSync(path.join(this.parent, "cgroup.subtree_control"), "+memory +cpu");
    const group = this.pathOf(replica);
    mkdirSync(group, { recursive: true });
    if (machine.memory > 0) writeFileSync(path.join(group, "memory.max"), String(Math.round(machine.memory * 1024 ** 3) + OVERHEAD_BYTES));
    if (machine.cpu > 0) writeFileSync(path.join(group, "cpu.max"), `${Math.round(machine.cpu * CPU_PERIOD_US)} ${CPU_PERIOD_US}`);
  }

  /** The command that enters the group before it becomes `command`. */
  inside(replica: string, command: LaunchCommand): LaunchCommand {
    const procs = path.join(this.pathOf(replica), "cgroup.procs");
    return {
      ...command,
      command: "/bin/sh",
      args: ["-c", 'echo $$ > "$0" && exec "$@"', procs, command.command, ...command.args],
    };
  }

  /** Ends whatever is left in the group, and the group. */
  remove(replica: string): void {
    const group = this.pathOf(replica);
    if (!existsSync(group)) return;
    try {
      writeFileSync(path.join(group, "cgroup.kill"), "1");
      rmdirSync(group);
    } catch {
      // Busy for a moment more: the sweep of the next start removes it.
    }
  }

  private pathOf(replica: string): string {
    return path.join(this.parent, replica);
  }
}
