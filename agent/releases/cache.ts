/** Releases on this machine: fetched once, shared by the replicas of a version, removed when nothing uses them and others are newer. */
import { execFile } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, utimesSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import type { Logger } from "../../app/platform/logger";
import { download, type ReleaseSource } from "./download";
import { relocate } from "./relocate";

const run = promisify(execFile);
/** Unused releases that are kept: a rollback then needs no download. */
const KEEP_UNUSED = 10;

export type ReleaseKey = {
  /** `sha256:<hex>`. */
  digest: string;
  processKeepAlive: boolean;
  /** Group that alone may read it; null: whoever runs the agent. */
  gid: number | null;
};

/** A release that is ready to run. */
export type PreparedRelease = { key: string; dir: string; controllerEntryPoint: string };

type Entry = { prepared: Promise<PreparedRelease>; uses: number; usedAt: number };

export type ReleaseCacheOptions = { root: string; source: ReleaseSource; log: Logger; now: () => number; keepUnused?: number };

export class ReleaseCache {
  private readonly entries = new Map<string, Entry>();
  private readonly stop = new AbortController();

  constructor(private readonly options: ReleaseCacheOptions) {
    mkdirSync(path.join(options.root, "downloads"), { recursive: true, mode: 0o700 });
    chmodSync(options.root, 0o711);
  }

  /** The release, fetched and unpacked if need be. Holds it until `release(key)`. Rejects with the reason; the next call tries anew. */
  async acquire(key: ReleaseKey): Promise<PreparedRelease> {
    const name = nameOf(key);
    let entry = this.entries.get(name);
    if (!entry) {
      entry = { prepared: this.prepare(name, key), uses: 0, usedAt: this.options.now() };
      this.entries.set(name, entry);
      entry.prepared.catch(() => this.entries.delete(name));
    }
    entry.uses++;
    try {
      return await entry.prepared;
    } catch (error) {
      entry.uses--;
      throw error;
    }
  }

  /** Ends one use. */
  release(key: string): void {
    const entry = this.entries.get(key);
    if (!entry) return;
    entry.uses = Math.max(0, entry.uses - 1);
    entry.usedAt = this.options.now();
  }

  /** Counts a use of a release that a process of an earlier agent runs from. */
  adopt(key: string, dir: string, controllerEntryPoint: string): void {
    const entry = this.entries.get(key) ?? { prepared: Promise.resolve({ key, dir, controllerEntryPoint }), uses: 0, usedAt: 0 };
    entry.uses++;
    this.entries.set(key, entry);
  }

  /** Removes unused releases beyond the newest `keep` (ten unless told otherwise). Returns how many went. */
  evict(keep = this.options.keepUnused ?? KEEP_UNUSED): number {
    const names = readdirSync(this.options.root).filter((name) => name.startsWith("sha256-"));
    const unused = names
      .filter((name) => (this.entries.get(name)?.uses ?? 0) === 0)
      .sort((a, b) => (this.entries.get(b)?.usedAt ?? 0) - (this.entries.get(a)?.usedAt ?? 0));
    const doomed = unused.slice(keep);
    for (const name of doomed) {
      this.entries.delete(name);
      // Renamed first: a half-removed release must never be taken for a whole one.
      const grave = path.join(this.options.root, `gone-${name}-${this.options.now()}`);
      renameSync(path.join(this.options.root, name), grave);
      rmSync(grave, { recursive: true, force: true });
    }
    return doomed.length;
  }

  /** Removes what unfinished work left behind. Call before the first `acquire`. */
  sweep(): void {
    for (const name of readdirSync(this.options.root))
      if (/^(gone|unpack)-/.test(name)) rmSync(path.join(this.options.root, name), { recursive: true, force: true });
  }

  close(): void {
    this.stop.abort();
  }

  private async prepare(name: string, key: ReleaseKey): Promise<PreparedRelease> {
    const dir = path.join(this.options.root, name);
    if (!existsSync(dir)) await this.unpack(name, key, dir);
    utimesSync(dir, new Date(this.options.now()), new Date(this.options.now()));
    // Paths are written again even when it was there: the data directory may have moved.
    const { controllerEntryPoint } = relocate({ dir, processKeepAlive: key.processKeepAlive });
    return { key: name, dir, controllerEntryPoint };
  }

  private async unpack(name: string, key: ReleaseKey, dir: string): Promise<void> {
    const { root, source, log, now } = this.options;
    const file = path.join(root, "downloads", `${name}.part`);
    const began = now();
    const onRetry = (reason: string) => log.warn("release.retry", { digest: key.digest, reason });
    await download({ source, digest: key.digest, file, signal: this.stop.signal, onRetry });
    const unpacked = path.join(root, `unpack-${name}-${now()}`);
    mkdirSync(unpacked, { mode: 0o750 });
    try {
      await run("tar", ["-xf", file, "-C", unpacked, "--no-same-owner"], { maxBuffer: 1024 * 1024 });
      relocate({ dir: unpacked, processKeepAlive: key.processKeepAlive });
      if (key.gid !== null) await shareWith(unpacked, key.gid);
      renameSync(unpacked, dir);
    } finally {
      rmSync(unpacked, { recursive: true, force: true });
    }
    rmSync(file, { force: true });
    log.info("release.ready", { digest: key.digest, ms: now() - began });
  }
}

/** Name of the folder: one per digest, keep-alive variant and group. */
function nameOf({ digest, processKeepAlive, gid }: ReleaseKey): string {
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw new Error(`Not a digest: ${digest.slice(0, 100)}`);
  return `${digest.replace(":", "-")}${processKeepAlive ? "-ka" : ""}${gid === null ? "" : `-g${gid}`}`;
}

/** Readable below, whatever modes it was packed with; the mode of the folder itself keeps other groups out. */
async function shareWith(dir: string, gid: number): Promise<void> {
  await run("chmod", ["-R", "a+rX,go-w", dir]);
  chownSync(dir, process.getuid?.() ?? 0, gid);
  chmodSync(dir, 0o750);
}
