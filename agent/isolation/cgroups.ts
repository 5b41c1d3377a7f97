/** Memory and CPU limits by control groups: one group a replica, below one of the agent's. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { errorMessage } from "../../app/platform/logger";
import { CGROUP_ROOT, findHierarchy, pathIn, readIfThere, type Hierarchy, type MachineLimits } from "./hierarchy";
import type { LaunchCommand } from "./isolation";

const TRIAL: MachineLimits = { cpu: 1, memory: 0.25 };
const SELF = "/proc/self/cgroup";
/** A group is busy until the kernel has buried its last process. */
const REMOVE_TRIES = 20;
const REMOVE_RETRY_MS = 250;

/** `name`: of the agent, for its folder of groups; agents of one machine do not share any. */
export type CgroupsInput = { name: string; root?: string };

/** Groups that were seen to work, or why there are none. Found by trying: a process enters a group, and the kernel says where it is. */
export function openCgroups({ name, root = CGROUP_ROOT }: CgroupsInput): Cgroups | string {
  const hierarchy = findHierarchy(root, readIfThere(SELF));
  if (typeof hierarchy === "string") return hierarchy;
  const groups = new Cgroups(hierarchy, name);
  const problem = groups.tryOut();
  return problem ?? groups;
}

export class Cgroups {
  private readonly parents: Record<string, string>;

  constructor(
    private readonly hierarchy: Hierarchy,
    name: string
  ) {
    this.parents = Object.fromEntries(Object.entries(hierarchy.bases).map(([controller, base]) => [controller, path.join(base, name)]));
  }

  get version(): 1 | 2 {
    return this.hierarchy.version;
  }

  /** Makes the group of a replica with the limits of its machine. Throws when the kernel does not take them. */
  create(replica: string, machine: MachineLimits): void {
    for (const [controller, parent] of Object.entries(this.parents)) {
      this.hierarchy.delegate(this.hierarchy.bases[controller] ?? "");
      mkdirSync(parent, { recursive: true });
      this.hierarchy.delegate(parent);
      mkdirSync(path.join(parent, replica), { recursive: true });
    }
    for (const { controller, file, value, optional } of this.hierarchy.settings(machine)) {
      const target = path.join(this.parents[controller] ?? "", replica, file);
      if (!optional || existsSync(target)) writeFileSync(target, value);
    }
  }

  /** The command that enters the group before it becomes `command`: not even its first page escapes the limit. */
  inside(replica: string, command: LaunchCommand): LaunchCommand {
    const files = this.dirs(replica).map((dir) => path.join(dir, "cgroup.procs"));
    const script = `${files.map((_file, i) => `echo $$ > "$${i + 1}"`).join(" && ")} && shift ${files.length} && exec "$@"`;
    return { ...command, command: "/bin/sh", args: ["-c", script, "sh", ...files, command.command, ...command.args] };
  }

  /** Removes the group of a replica whose processes were killed. */
  remove(replica: string): void {
    for (const dir of this.dirs(replica)) removeGroup(dir, REMOVE_TRIES);
  }

  /** Removes groups that a crash of the agent left; `live`: names of replicas that go on. */
  sweep(live: ReadonlySet<string>): void {
    for (const parent of new Set(Object.values(this.parents)))
      for (const name of existsSync(parent) ? readdirSync(parent) : [])
        if (!live.has(name) && statSync(path.join(parent, name)).isDirectory()) removeGroup(path.join(parent, name), 1);
  }

  /** Removes the agent's own folder, unless replicas outlive the agent. */
  close(): void {
    this.sweep(new Set());
    for (const parent of new Set(Object.values(this.parents))) removeGroup(parent, REMOVE_TRIES);
  }

  /** Null when a process that was put into a group is there, under the limits that were set; otherwise what went wrong. */
  tryOut(): string | null {
    const name = `trial-${process.pid}`;
    try {
      this.create(name, TRIAL);
      const env = { NODE_ENV: "production" as const };
      const { command, args } = this.inside(name, { command: "/bin/cat", args: [SELF], env });
      const { stdout, stderr, status } = spawnSync(command, args, { env, encoding: "utf8", timeout: 10_000 });
      if (status !== 0) return `a process could not enter a control group: ${stderr.trim() || `status ${status}`}.`;
      const version2 = this.hierarchy.version === 2;
      const outside = Object.keys(this.parents).find((controller) => !pathIn(stdout, version2 ? "" : controller).endsWith(`/${name}`));
      return outside ? `a process that was put into a ${outside} control group was not in it.` : null;
    } catch (error) {
      return `a control group with limits could not be made: ${errorMessage(error)}.`;
    } finally {
      this.remove(name);
    }
  }

  private dirs(replica: string): string[] {
    return [...new Set(Object.values(this.parents))].map((parent) => path.join(parent, replica));
  }
}

function removeGroup(dir: string, tries: number): void {
  if (!existsSync(dir)) return;
  try {
    rmdirSync(dir);
  } catch {
    // What stays busy for longer is removed by the sweep of the next start.
    if (tries > 1) setTimeout(() => removeGroup(dir, tries - 1), REMOVE_RETRY_MS).unref();
  }
}
