/**
 * What keeps the code of users apart from the machine and from each other. L0: nothing, the agent's own user. L1: a user
 * per environment, no new privileges, private HOME and TMPDIR, limits on processes and files. L2: and memory and CPU by
 * control groups. Which one is possible is found by trying, never assumed.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync } from "node:fs";
import path from "node:path";
import type { Isolation } from "../protocol";
import { openCgroups, type Cgroups } from "./cgroups";
import { readIfThere } from "./hierarchy";

export type IsolationLevel = {
  level: Isolation;
  /** Why it is no higher, for people; null at the top. */
  note: string | null;
  cgroups: Cgroups | null;
};

export type Variables = Record<string, string> & { NODE_ENV: "production" };
export type LaunchCommand = { command: string; args: string[]; env: Variables };

/** Uid for the trial only; no environment gets it. */
const TRIAL_UID = 1_899_999_999;
const MAX_PROCESSES = 1_024;
const MAX_OPEN_FILES = 65_536;

export type DetectInput = { wanted: Isolation | null; node: string; agent: string; cgroupRoot?: string };

/** The highest level, not above `wanted`, that works here for `node`. `agent`: a name that no other agent of the machine has. */
export function detectIsolation(input: DetectInput): IsolationLevel {
  const limited = (level: Isolation, reason: string): IsolationLevel => ({ level, note: reason, cgroups: null });
  if (input.wanted === "L0") return limited("L0", "The agent was started with --isolation L0: tasks run as its own user.");
  const l1 = userProblem(input.node);
  if (l1) return limited("L0", `Tasks run as the agent's own user and can read what it can read: ${l1}`);
  if (input.wanted === "L1") return limited("L1", "The agent was started with --isolation L1: memory is limited by the heap size only.");
  const cgroups = openCgroups({ name: `sluice-${input.agent}`, root: input.cgroupRoot });
  if (typeof cgroups === "string") return limited("L1", `Memory is limited by the heap size only: ${cgroups}`);
  return { level: "L2", note: null, cgroups };
}

/** Why processes cannot run as other users, or null. */
function userProblem(node: string): string | null {
  if (process.platform !== "linux") return `users for environments are made on Linux only, this is ${process.platform}.`;
  if (process.getuid?.() !== 0) return "the agent is not root, so it cannot switch users.";
  const trial = spawnSync("prlimit", [...limits(), "--", "setpriv", ...privileges(TRIAL_UID), node, "-e", "0"], {
    cwd: "/",
    env: { NODE_ENV: "production", PATH: process.env.PATH },
    timeout: 10_000,
    encoding: "utf8",
  });
  if (trial.error) return `prlimit or setpriv could not be started (${trial.error.message}); install util-linux.`;
  if (trial.status === 0) return null;
  const said = trial.stderr.trim().split("\n").at(-1) ?? "";
  return `${node} cannot be run by another user (${said || `status ${trial.status}`}). Install Node outside of home directories.`;
}

/** No limit is raised: where the machine allows less, less it is. */
function limits(): string[] {
  const table = readIfThere("/proc/self/limits");
  const allowed = (row: string, wanted: number) =>
    Math.min(wanted, Number(new RegExp(`^${row}\\s+\\S+\\s+(\\d+)`, "m").exec(table)?.[1] ?? wanted));
  return ["--core=0", `--nproc=${allowed("Max processes", MAX_PROCESSES)}`, `--nofile=${allowed("Max open files", MAX_OPEN_FILES)}`];
}

function privileges(uid: number): string[] {
  return [`--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"];
}

/** The command that runs `command` as `uid` under limits. It replaces itself: the pid that is spawned is the pid that runs. */
export function asUser(uid: number, command: LaunchCommand, homes: string): LaunchCommand {
  const home = homeOf(homes, uid);
  return {
    command: "prlimit",
    args: [...limits(), "--", "setpriv", ...privileges(uid), command.command, ...command.args],
    env: { ...command.env, ...home },
  };
}

/** HOME and TMPDIR of an environment, made on first use; nobody else can enter. */
export function homeOf(homes: string, uid: number): { HOME: string; TMPDIR: string } {
  const home = path.join(homes, String(uid));
  const temporary = path.join(home, "tmp");
  mkdirSync(temporary, { recursive: true });
  for (const dir of [home, temporary]) {
    chownSync(dir, uid, uid);
    chmodSync(dir, 0o700);
  }
  return { HOME: home, TMPDIR: temporary };
}
