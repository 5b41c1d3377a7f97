/** A network namespace of its own: to what runs inside, this machine is another one, at the other end of a cable. */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { spawnGroup, type Spawned } from "./processes";

export type Machine = {
  /** Address of this machine, as seen from the other one. */
  readonly host: string;
  /** Starts a command on the other machine, in its own process group. */
  spawn(command: string, args: readonly string[], options: { cwd: string; env: Record<string, string | undefined> }): Spawned;
  /** SIGKILL of everything on it, as when its power goes. */
  kill(): void;
  remove(): void;
};

/** Most of a namespace's name that fits an interface's, which may have 15 characters. */
const NAME_BYTES = 3;

/** Throws with what to do unless this is root on Linux with iproute2. */
export function addMachine(): Machine {
  if (process.getuid?.() !== 0) throw new Error("A network namespace needs root: run this test as root, as CI does.");
  requireIproute();
  const id = randomBytes(NAME_BYTES).toString("hex");
  const [name, near, far] = [`sluice-${id}`, `slv${id}`, `slp${id}`];
  // A /30 of 198.18.0.0/15, which is for tests of networks and routed nowhere.
  const third = Number.parseInt(id.slice(0, 2), 16);
  const fourth = Number.parseInt(id.slice(2, 4), 16) & 0xfc;
  const [host, guest] = [`198.18.${third}.${fourth + 1}`, `198.18.${third}.${fourth + 2}`];
  ip("netns", "add", name);
  try {
    ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name);
    ip("address", "add", `${host}/30`, "dev", near);
    ip("link", "set", near, "up");
    ip("-n", name, "address", "add", `${guest}/30`, "dev", far);
    ip("-n", name, "link", "set", far, "up");
    ip("-n", name, "link", "set", "lo", "up");
  } catch (error) {
    ip("netns", "delete", name);
    throw error;
  }
  const kill = () => {
    for (let pids = pidsOf(name); pids.length > 0; pids = pidsOf(name)) for (const pid of pids) killProcess(pid);
  };
  return {
    host,
    spawn: (command, args, options) => spawnGroup("ip", ["netns", "exec", name, command, ...args], options),
    kill,
    remove: () => {
      kill();
      ip("netns", "delete", name);
    },
  };
}

/** Installs it where that is possible: the image of a CI machine need not have it. */
function requireIproute(): void {
  if (spawnSync("ip", ["-V"]).status === 0) return;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", "iproute2"]])
    spawnSync("apt-get", ["-qq", ...args], { env });
  if (spawnSync("ip", ["-V"]).status !== 0)
    throw new Error("There is no `ip`. Install iproute2, for example with apt-get install iproute2.");
}

function ip(...args: string[]): string {
  const done = spawnSync("ip", args, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`ip ${args.join(" ")}: ${done.stderr.trim() || `status ${done.status}`}`);
  return done.stdout;
}

const pidsOf = (name: string) => ip("netns", "pids", name).split("\n").filter(Boolean).map(Number);

function killProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended since it was listed.
  }
}
