/** Where control groups can be made on this machine, and which files of them hold the limits: v2 where it has the controllers, else v1. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

export const CGROUP_ROOT = "/sys/fs/cgroup";

const CPU_PERIOD_US = 100_000;
/** The controller of a run and its sockets, besides the machine that the task was promised; bytes. */
const OVERHEAD_BYTES = 128 * 1024 * 1024;
/** Share of one core where several processes want the CPU, as the kernel counts in v2 and v1. */
const WEIGHT_OF_A_CORE = 100;
const SHARES_OF_A_CORE = 1_024;

/** cpu in cores, memory in GB; 0 means no limit. */
export type MachineLimits = { cpu: number; memory: number };

/** One file of a new group. `optional`: kernels without swap accounting do not have it. */
export type Setting = { controller: string; file: string; value: string; optional?: boolean };

export type Hierarchy = {
  version: 1 | 2;
  /** Folder that the agent's own folder of groups is made in, by controller. The same one for all in v2. */
  bases: Record<string, string>;
  /** What has to be done once in a folder before groups below it can have limits. */
  delegate(dir: string): void;
  settings(machine: MachineLimits): Setting[];
};

/** The hierarchy to use, or why there is none. `self`: text of /proc/self/cgroup, which tells the agent's own group. */
export function findHierarchy(root: string, self: string): Hierarchy | string {
  if (existsSync(path.join(root, "cgroup.controllers"))) return unified(root, self);
  const bases: Record<string, string> = {};
  for (const controller of ["memory", "cpu"]) {
    const mount = path.join(root, controller);
    if (!existsSync(path.join(mount, "cgroup.procs"))) return `this machine has no ${controller} control groups in ${root}.`;
    bases[controller] = ownGroup(mount, pathIn(self, controller));
  }
  return { version: 1, bases, delegate: () => undefined, settings: settingsV1 };
}

function unified(root: string, self: string): Hierarchy | string {
  const names = words(path.join(root, "cgroup.controllers"));
  const missing = ["memory", "cpu"].filter((name) => !names.includes(name));
  if (missing.length > 0) return `cgroup v2 is mounted without the controllers ${missing.join(" and ")}.`;
  // A group that holds processes cannot hand controllers down: the agent's own serves only where somebody prepared it.
  const own = ownGroup(root, pathIn(self, ""));
  const handed = words(path.join(own, "cgroup.subtree_control"));
  const base = handed.includes("memory") && handed.includes("cpu") ? own : root;
  return {
    version: 2,
    bases: { memory: base, cpu: base },
    delegate: (dir) => writeFileSync(path.join(dir, "cgroup.subtree_control"), "+memory +cpu"),
    settings: settingsV2,
  };
}

/**
 * No process is held below two cores: one that starts compiles and collects garbage in threads of its own, and at one core its
 * cold start took 2.0 s instead of 1.5 s on an idle machine (`npm run bench -- deployments`). Where the CPU is short, the weights share it as the machines of the tasks say.
 */
function quotaOf(cpu: number): string {
  return String(Math.round(Math.max(2, cpu) * CPU_PERIOD_US));
}

function bytesOf(memory: number): string {
  return String(Math.round(memory * 1024 ** 3) + OVERHEAD_BYTES);
}

function settingsV2({ cpu, memory }: MachineLimits): Setting[] {
  const weight = String(Math.min(10_000, Math.max(1, Math.round(cpu * WEIGHT_OF_A_CORE))));
  const forMemory: Setting[] = [
    { controller: "memory", file: "memory.max", value: bytesOf(memory) },
    { controller: "memory", file: "memory.swap.max", value: "0", optional: true },
  ];
  const forCpu: Setting[] = [
    { controller: "cpu", file: "cpu.max", value: `${quotaOf(cpu)} ${CPU_PERIOD_US}` },
    { controller: "cpu", file: "cpu.weight", value: weight },
  ];
  return [...(memory > 0 ? forMemory : []), ...(cpu > 0 ? forCpu : [])];
}

function settingsV1({ cpu, memory }: MachineLimits): Setting[] {
  const forMemory: Setting[] = [
    { controller: "memory", file: "memory.limit_in_bytes", value: bytesOf(memory) },
    { controller: "memory", file: "memory.memsw.limit_in_bytes", value: bytesOf(memory), optional: true },
  ];
  const forCpu: Setting[] = [
    { controller: "cpu", file: "cpu.cfs_period_us", value: String(CPU_PERIOD_US) },
    { controller: "cpu", file: "cpu.cfs_quota_us", value: quotaOf(cpu) },
    { controller: "cpu", file: "cpu.shares", value: String(Math.max(2, Math.round(cpu * SHARES_OF_A_CORE))) },
  ];
  return [...(memory > 0 ? forMemory : []), ...(cpu > 0 ? forCpu : [])];
}

/** The agent's own group, so that limits on the agent hold for its replicas too; the root where a container hides it. */
function ownGroup(mount: string, own: string): string {
  const dir = path.resolve(mount, `.${own}`);
  return existsSync(path.join(dir, "cgroup.procs")) ? dir : mount;
}

/** Path of the agent's group in the hierarchy of a controller ("" names that of v2), from /proc/self/cgroup. */
export function pathIn(self: string, controller: string): string {
  for (const line of self.split("\n")) {
    const [, names = "", ...rest] = line.split(":");
    if (rest.length > 0 && names.split(",").includes(controller)) return rest.join(":");
  }
  return "/";
}

function words(file: string): string[] {
  return readIfThere(file).trim().split(/\s+/);
}

/** Text of a file of the kernel; "" when it is not there or not for us. */
export function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
