/**
 * Installed packages of earlier builds: one folder for an environment and the exact set of packages it asked for. The
 * agent owns the folders and nobody else may write to them; builds get copies, never links. They are filled with scripts
 * switched off, so nothing that a project runs can reach what a later build is given.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Sets of packages kept for an environment. */
const KEEP_PER_ENVIRONMENT = 5;

export type CacheKey = {
  environmentId: string;
  /** Text of the bundle's package.json: externals with exact versions. */
  packageJson: string;
  runtime: string;
};

export class DependencyCache {
  constructor(private readonly root: string) {}

  /** Copies the packages of `key` to `target` (which must not exist). False when there are none. */
  async restore(key: CacheKey, target: string): Promise<boolean> {
    const dir = this.dirOf(key);
    if (!existsSync(dir)) return false;
    await copyTree(path.join(dir, "node_modules"), target);
    const now = new Date();
    await utimes(dir, now, now).catch(() => undefined);
    return true;
  }

  /** Keeps a copy of `source`, an installed `node_modules` that nothing of the user's has run in. */
  async store(key: CacheKey, source: string): Promise<void> {
    const dir = this.dirOf(key);
    if (existsSync(dir)) return;
    const staging = `${dir}.${process.pid}.new`;
    await rm(staging, { recursive: true, force: true });
    await mkdir(staging, { recursive: true, mode: 0o700 });
    await copyTree(source, path.join(staging, "node_modules"));
    await run("chmod", ["-R", "a-w,u+rX,go-rwx", staging]);
    // Another build may have been quicker; its copy is as good.
    await rename(staging, dir).catch(() => rm(staging, { recursive: true, force: true }));
    await this.trim(path.dirname(dir));
  }

  private dirOf(key: CacheKey): string {
    const hash = createHash("sha256");
    const machine = [process.platform, process.arch, process.versions.modules];
    hash.update(JSON.stringify([key.environmentId, key.packageJson, key.runtime, ...machine]));
    return path.join(this.root, key.environmentId, hash.digest("hex").slice(0, 40));
  }

  private async trim(environmentDir: string): Promise<void> {
    const names = (await readdir(environmentDir)).filter((name) => !name.endsWith(".new"));
    const aged = await Promise.all(names.map(async (name) => ({ name, at: (await stat(path.join(environmentDir, name))).mtimeMs })));
    aged.sort((a, b) => b.at - a.at);
    for (const { name } of aged.slice(KEEP_PER_ENVIRONMENT)) await rm(path.join(environmentDir, name), { recursive: true, force: true });
  }
}

/** A copy with blocks shared where the file system can, owned by whoever runs this. */
async function copyTree(source: string, target: string): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true });
  const how = process.platform === "linux" ? ["-R", "-P", "--preserve=mode,links", "--reflink=auto"] : ["-R", "-P"];
  await run("cp", [...how, source, target], { maxBuffer: 1024 * 1024 });
  await run("chmod", ["-R", "u+rwX,go+rX", target]);
}
