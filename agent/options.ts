/** Command line of the agent. */
import { existsSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { agentFileSchema, agentRoleSchema, isolationSchema, MAX_SLOTS, type AgentFile, type AgentRole, type Isolation } from "./protocol";
import { readJson } from "./files";
import { isBun } from "./replicas/runtimes";

export type AgentOptions = {
  url: string;
  token: string;
  region: string;
  /** Unique in its region; null: chosen once and kept in the data directory. */
  name: string | null;
  dataDir: string;
  /** Replicas and runs at once; null: by memory. */
  slots: number | null;
  roles: AgentRole[];
  /** The highest isolation to use; null: the highest that this machine allows. */
  isolation: Isolation | null;
  /** How long SIGTERM waits for runs before they are left to the next agent; milliseconds. */
  drainMs: number;
  /** Binaries of Bun and of other versions of Node, by runtime name: `node-22` to `/opt/node22/bin/node`. */
  runtimes: Map<string, string>;
  packages: string[];
  /** End when standard input does: the parent is gone. */
  withParent: boolean;
};

export const USAGE = `Usage: npm run agent -- --url <server> --token <tr_wgt_...> --region <name> [options]

  --url        address of the server
  --token      token of the region (or SLUICE_AGENT_TOKEN, which other users of the machine cannot see)
  --region     name of the region; refused when the token belongs to another
  --file       a JSON file with url, token and region instead of these three
  --name       name of this agent, unique in its region (default: the host name and a random part, kept in the data directory)
  --data-dir   where releases, logs and unsent results live (default .sluice-agent)
  --slots      processes at once (default: three quarters of the memory, 250 MB each)
  --roles      runner, builder or both with a comma (default both)
  --isolation  L0, L1 or L2: use no more than this (default: the most that this machine allows)
  --drain-seconds  how long SIGTERM waits for runs; those that last longer are adopted by the next agent (default 60)
  --runtime    node-22=/path/to/node or bun=/path/to/bun, repeatable: other versions of Node, and Bun
  --packages   system packages that tasks may rely on, with commas; bun is found on PATH
`;

const FLAGS = {
  url: { type: "string" },
  token: { type: "string" },
  region: { type: "string" },
  file: { type: "string" },
  name: { type: "string" },
  "data-dir": { type: "string", default: ".sluice-agent" },
  slots: { type: "string" },
  roles: { type: "string", default: "runner,builder" },
  isolation: { type: "string" },
  "drain-seconds": { type: "string", default: "60" },
  runtime: { type: "string", multiple: true },
  packages: { type: "string" },
  "with-parent": { type: "boolean", default: false },
} as const;

/** A mistake of the person at the command line; the text names the flag. */
export class UsageError extends Error {}

/** Reads flags. Throws `UsageError`. */
export function parseOptions(args: string[], env: Record<string, string | undefined>): AgentOptions {
  const flags = read(args);
  const { runtimes, packages } = programsOf(flags, env);
  return {
    ...serverOf(flags, env),
    name: given(flags.name, nameOf),
    dataDir: path.resolve(flags["data-dir"]),
    slots: given(flags.slots, (text) => whole("--slots", text, 1, MAX_SLOTS)),
    roles: rolesOf(flags.roles),
    isolation: given(flags.isolation, (text) => oneOf(isolationSchema, "--isolation", text)),
    drainMs: whole("--drain-seconds", flags["drain-seconds"], 0, 86_400) * 1_000,
    runtimes,
    packages,
    withParent: flags["with-parent"],
  };
}

type Flags = ReturnType<typeof read>;

/** Flags win over the file. */
function serverOf(flags: Flags, env: Record<string, string | undefined>): Pick<AgentOptions, "url" | "token" | "region"> {
  const file: Partial<AgentFile> = flags.file === undefined ? {} : fileOf(flags.file);
  const url = flags.url ?? file.url ?? missing("--url");
  if (!/^https?:\/\/[^/]/.test(url)) throw new UsageError(`--url must begin with http:// or https://, got ${url}`);
  const token = flags.token ?? env.SLUICE_AGENT_TOKEN ?? file.token ?? missing("--token");
  if (!token.startsWith("tr_wgt_")) throw new UsageError("--token must be the token of a region; it begins with tr_wgt_");
  return { url: url.replace(/\/+$/, ""), token, region: flags.region ?? file.region ?? missing("--region") };
}

function given<T>(text: string | undefined, parse: (text: string) => T): T | null {
  return text === undefined ? null : parse(text);
}

/** A name that stays with this data directory. */
export function defaultName(random: string): string {
  return `${os
    .hostname()
    .replace(/[^A-Za-z0-9-]/g, "-")
    .slice(0, 40)}-${random}`;
}

function read(args: string[]) {
  try {
    return parseArgs({ args, options: FLAGS, strict: true }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function fileOf(file: string) {
  const parsed = agentFileSchema.safeParse(readJson(file));
  if (parsed.success) return parsed.data;
  throw new UsageError(`--file ${file} must be JSON with url, token and region.`);
}

function missing(flag: string): never {
  throw new UsageError(`${flag} is missing.`);
}

function nameOf(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) return name;
  throw new UsageError(`--name takes up to 63 letters, digits, dots, dashes and underscores, got ${name}`);
}

function whole(flag: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new UsageError(`${flag} must be a whole number from ${min} to ${max}, got ${text}`);
}

function oneOf<T>(schema: { safeParse(value: unknown): { success: true; data: T } | { success: false } }, flag: string, text: string): T {
  const parsed = schema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new UsageError(`${flag} does not know ${text}`);
}

function rolesOf(text: string): AgentRole[] {
  const roles = [...new Set(listOf(text))].map((role) => oneOf(agentRoleSchema, "--roles", role));
  return roles.length > 0 ? roles : missing("--roles");
}

function listOf(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean);
}

/** Bun is both: a program that is started, and a package that the region advertises. */
function programsOf(flags: Flags, env: Record<string, string | undefined>): Pick<AgentOptions, "runtimes" | "packages"> {
  const runtimes = new Map((flags.runtime ?? []).map(runtimeOf));
  const packages = new Set(listOf(flags.packages ?? ""));
  if ([...runtimes.keys()].some(isBun)) packages.add("bun");
  else if (packages.has("bun")) runtimes.set("bun", onPath("bun", env.PATH ?? "") ?? noBun());
  return { runtimes, packages: [...packages] };
}

function noBun(): never {
  throw new UsageError("--packages names bun, and PATH has none. Say where it is: --runtime bun=/path/to/bun");
}

function onPath(program: string, searchPath: string): string | null {
  const files = searchPath
    .split(path.delimiter)
    .filter((dir) => path.isAbsolute(dir))
    .map((dir) => path.join(dir, program));
  return files.find((file) => existsSync(file)) ?? null;
}

function runtimeOf(text: string): [string, string] {
  const [name, file] = text.split("=");
  if (!name || !file || !path.isAbsolute(file))
    throw new UsageError(`--runtime takes a name and an absolute path, as in node-22=/opt/node22/bin/node, got ${text}`);
  // Run controllers look for it by this name.
  if (isBun(name) && path.basename(file) !== "bun") throw new UsageError(`--runtime ${name} takes a file named bun, got ${file}`);
  return [name, file];
}
