/**
 * How the packages of uploaded sources are installed: by the package manager that wrote the lockfile. The builder has npm;
 * the others are fetched from the registry in the version that the project names, or that can read its lockfile.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

export type Install = {
  command: string;
  args: string[];
  /** Variables that the package manager needs. */
  env: Record<string, string>;
  /** For people: what is run, without how it is fetched. */
  shown: string;
};

/** A folder of the project's tree. */
type Place = { dir: string; root: string };
type Manager = "npm" | "pnpm" | "yarn" | "bun";

/** Development packages are needed: TypeScript and the CLI are among them, and builds run with NODE_ENV=production. */
const CI = ["ci", "--include=dev", "--no-audit", "--no-fund"];
const WITHOUT_LOCKFILE = ["install", "--include=dev", "--no-audit", "--no-fund", "--no-package-lock"];
const PNPM = ["install", "--frozen-lockfile", "--prod=false"];
const YARN_CLASSIC = ["install", "--frozen-lockfile", "--production=false", "--non-interactive"];
const YARN_BERRY = ["install", "--immutable"];
const BUN = ["install", "--frozen-lockfile"];

/** The first that is there counts. */
const LOCKFILES: [string, (place: Place, lockfile: string) => Install][] = [
  ["pnpm-lock.yaml", pnpm],
  ["bun.lock", bun],
  ["bun.lockb", bun],
  ["yarn.lock", yarn],
  ["package-lock.json", () => npm(CI)],
  ["npm-shrinkwrap.json", () => npm(CI)],
];

/** Newest of its kind that runs on every Node that the builder may have. */
const DEFAULT_PNPM = "10";
const DEFAULT_BERRY = "4.9.4";
const DEFAULT_CLASSIC = "1.22.22";
const DEFAULT_BUN = "1";
/** pnpm reads lockfiles of its own time: which version for which `lockfileVersion`. */
const PNPM_BY_LOCKFILE: Record<string, string> = { "5": "7", "6": "8", "9": DEFAULT_PNPM };

/** The installation that the lockfiles of one folder ask for; null when it has none. */
export function installIn(place: Place): Install | null {
  const found = LOCKFILES.find(([lockfile]) => existsSync(path.join(place.dir, lockfile)));
  return found ? found[1](place, path.join(place.dir, found[0])) : null;
}

/** For a tree without a lockfile. */
export function installWithoutLockfile(): Install {
  return npm(WITHOUT_LOCKFILE);
}

function npm(args: string[]): Install {
  return { command: "npm", args, env: {}, shown: `npm ${args.join(" ")}` };
}

function pnpm({ dir }: Place, lockfile: string): Install {
  const format = /^lockfileVersion: *['"]?(\d+)/m.exec(readText(lockfile))?.[1] ?? "";
  const version = namedVersion(dir, "pnpm") ?? PNPM_BY_LOCKFILE[format] ?? DEFAULT_PNPM;
  // Another version than the one that was fetched would be fetched by pnpm itself, past the cache of the environment.
  return fetched(`pnpm@${version}`, "pnpm", PNPM, { npm_config_manage_package_manager_versions: "false" });
}

function bun({ dir }: Place): Install {
  return fetched(`bun@${namedVersion(dir, "bun") ?? DEFAULT_BUN}`, "bun", BUN, {});
}

function yarn(place: Place, lockfile: string): Install {
  const named = namedVersion(place.dir, "yarn");
  const isClassic = readText(lockfile).includes("# yarn lockfile v1");
  if (isClassic) return fetched(`yarn@${named?.startsWith("1.") ? named : DEFAULT_CLASSIC}`, "yarn", YARN_CLASSIC, {});
  // Plug'n'Play leaves no node_modules, in which the CLI and its bundler look for packages.
  const env = { YARN_NODE_LINKER: "node-modules", YARN_ENABLE_TELEMETRY: "0", YARN_ENABLE_GLOBAL_CACHE: "false" };
  const own = ownYarn(place);
  if (own) return { command: process.execPath, args: [own, ...YARN_BERRY], env, shown: `yarn ${YARN_BERRY.join(" ")}` };
  const version = named && !named.startsWith("1.") ? named : DEFAULT_BERRY;
  return fetched(`@yarnpkg/cli-dist@${version}`, "yarn", YARN_BERRY, env);
}

/** A Yarn that the project brings along; never a file outside of the uploaded tree. */
function ownYarn({ dir, root }: Place): string | null {
  const named = /^yarnPath: *["']?([^"'\n]+?)["']? *$/m.exec(readText(path.join(dir, ".yarnrc.yml")))?.[1];
  const file = named === undefined ? null : path.resolve(dir, named);
  return file !== null && isBelow(root, file) && existsSync(file) ? file : null;
}

/** True for a path inside of `root`. */
export function isBelow(root: string, file: string): boolean {
  return file.startsWith(`${root}${path.sep}`);
}

function fetched(spec: string, command: string, args: string[], env: Record<string, string>): Install {
  return {
    command: "npx",
    args: ["--yes", `--package=${spec}`, "--", command, ...args],
    env,
    shown: `${command} ${args.join(" ")} (${spec})`,
  };
}

/** Version in the `packageManager` field, when that names this one. */
function namedVersion(dir: string, manager: Manager): string | null {
  try {
    const { packageManager } = JSON.parse(readText(path.join(dir, "package.json"))) as { packageManager?: unknown };
    const [, name, version] = /^([a-z]+)@(\d+\.\d+\.\d+[\w.-]*)/.exec(String(packageManager)) ?? [];
    return name === manager ? (version ?? null) : null;
  } catch {
    return null;
  }
}

function readText(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}
