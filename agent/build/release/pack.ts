/** A release as bytes. The same content always gives the same bytes, so its digest names it. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, type Dirent } from "node:fs";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import path from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import tar from "tar-stream";
import { BuildError } from "../errors";
import { DEFAULT_LIMITS } from "./extract";
import { canonicalManifests } from "./rewrite";
import { isBundleMap, rootedMap } from "./sourceMaps";

export type PackedRelease = {
  /** `sha256:<hex>` of the file. */
  digest: string;
  bytes: number;
  entries: number;
};

/** Nothing of the machine goes in: no owners, no times, no order of the file system. */
const EPOCH = new Date(0);
const GZIP_LEVEL = 3;
/** Left behind by tools; they differ from build to build and nothing reads them. */
const LEFT_OUT = new Set([".npm", ".cache", "node_modules/.cache"]);

/** Writes `file`. Throws a BuildError for what could not be unpacked again: links out of the release, too much of it. */
export async function packRelease(dir: string, file: string): Promise<PackedRelease> {
  const hash = createHash("sha256");
  let bytes = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  const pack = tar.pack();
  const written = pipeline(pack, createGzip({ level: GZIP_LEVEL }), meter, createWriteStream(file, { mode: 0o600 }));
  const packer = new Packer(dir, pack, await canonicalManifests(dir));
  // Whichever fails first is the reason; the other one only follows.
  const filled = packer.add("").then(
    () => pack.finalize(),
    (error: Error) => {
      pack.destroy(error);
      throw error;
    }
  );
  await Promise.all([filled, written]);
  return { digest: `sha256:${hash.digest("hex")}`, bytes, entries: packer.entries };
}

class Packer {
  entries = 0;
  private size = 0;

  constructor(
    private readonly root: string,
    private readonly pack: tar.Pack,
    private readonly replaced: ReadonlyMap<string, Buffer>
  ) {}

  /** Everything below a folder, in byte order of names. */
  async add(folder: string): Promise<void> {
    const found = await readdir(path.join(this.root, folder), { withFileTypes: true });
    found.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of found) {
      const name = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (!LEFT_OUT.has(name)) await this.entry(name, entry);
    }
  }

  private async entry(name: string, entry: Dirent): Promise<void> {
    if (entry.isDirectory()) {
      await this.write({ name: `${name}/`, type: "directory", mode: 0o755 });
      return this.add(name);
    }
    if (entry.isSymbolicLink()) return this.link(name);
    // Sockets and pipes of tools that ran here are no content.
    if (entry.isFile()) await this.file(name);
  }

  private async link(name: string): Promise<void> {
    const target = await readlink(path.join(this.root, name));
    const leadsTo = path.relative(this.root, path.resolve(this.root, path.dirname(name), target));
    if (leadsTo.startsWith("..") || path.isAbsolute(leadsTo)) {
      throw new BuildError(`The release has a link that leads out of it: ${name} to ${target}. Copy the files instead.`, {
        kind: "user",
        code: "release_link",
      });
    }
    // An absolute link into the release would lead to the builder's folder elsewhere.
    const relative = path.isAbsolute(target)
      ? path.relative(path.dirname(path.join(this.root, name)), path.join(this.root, leadsTo))
      : target;
    await this.write({ name, type: "symlink", linkname: relative || ".", mode: 0o755 });
  }

  private async file(name: string): Promise<void> {
    const file = path.join(this.root, name);
    const replacement = this.replaced.get(name) ?? (isBundleMap(name) ? rootedMap(name, await readFile(file, "utf8")) : null);
    if (replacement) return this.write({ name, mode: 0o644 }, replacement);
    const { size, mode } = await lstat(file);
    this.grow(size);
    const entry = this.pack.entry({ name, size, mode: mode & 0o111 ? 0o755 : 0o644, mtime: EPOCH, uid: 0, gid: 0 });
    this.count();
    await pipeline(createReadStream(file), entry);
  }

  private write(header: tar.Headers, content?: Buffer): Promise<void> {
    this.count();
    this.grow(content?.length ?? 0);
    return new Promise((resolve, reject) => {
      this.pack.entry({ ...header, mtime: EPOCH, uid: 0, gid: 0 }, content ?? Buffer.alloc(0), (error) =>
        error ? reject(error) : resolve()
      );
    });
  }

  private count(): void {
    this.entries++;
    if (this.entries > DEFAULT_LIMITS.maxEntries * 4) throw this.tooLarge("200,000 files");
  }

  private grow(bytes: number): void {
    this.size += bytes;
    if (this.size > DEFAULT_LIMITS.maxBytes) throw this.tooLarge("2 GB");
  }

  private tooLarge(limit: string): BuildError {
    return new BuildError(`The release has more than ${limit}. Leave packages out that tasks do not need.`, {
      kind: "user",
      code: "release_too_large",
    });
  }
}
