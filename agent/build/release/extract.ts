/**
 * Unpacks archives of strangers. Every entry is judged before it touches the disk: nothing outside of the folder is
 * written, no link leads out of it, and neither the number of entries nor their size can fill the machine.
 */
import { createReadStream } from "node:fs";
import { chmod, link, lstat, mkdir, open, rm, symlink } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import tar from "tar-stream";
import { BuildError } from "../errors";
import { LinkMap } from "./linkMap";

export type ExtractLimits = { maxEntries: number; maxBytes: number };
/** As documented for uploads: 50,000 entries, 2 GB unpacked. */
export const DEFAULT_LIMITS: ExtractLimits = { maxEntries: 50_000, maxBytes: 2 * 1024 * 1024 * 1024 };

export type ExtractOptions = {
  /** The archive, gzip and tar; a file's path or its bytes. */
  source: string | Readable;
  /** An existing folder. What it holds already stays, except for what entries replace. */
  dir: string;
  /** Entries to take, by their clean path; default all. The others are still judged. */
  only?: (name: string) => boolean;
  limits?: Partial<ExtractLimits>;
};
export type Extracted = { entries: number; bytes: number };

/** Of Linux's file systems. */
const MAX_NAME_BYTES = 255;
const MAX_PATH_CHARS = 2_000;

type Header = { name: string; type?: string | null; linkname?: string | null; size?: number; mode?: number };

const FILE_TYPES = new Set(["file", "contiguous-file"]);
const WRITTEN_TYPES = new Set([...FILE_TYPES, "directory", "symlink", "link"]);
const IGNORED_TYPES = new Set(["pax-global-header"]);

/** Unpacks. Throws a BuildError of kind user that names the entry at fault; what was written until then stays in the folder. */
export async function extractArchive(options: ExtractOptions): Promise<Extracted> {
  const writer = new Writer(options);
  const source = typeof options.source === "string" ? createReadStream(options.source) : options.source;
  const unpacked = createGunzip();
  source.once("error", (error: Error) => unpacked.destroy(error));
  const parser = tar.extract();
  parser.on("entry", (header, content, next) => {
    // Its error is that of the parser, which is heard; without a listener it would end the process.
    content.on("error", () => undefined);
    writer.write(header as Header, content as unknown as Readable).then(() => next(), next);
  });
  try {
    await feed(parser, source.pipe(unpacked), writer.limits);
  } catch (error) {
    throw describe(writer.failure ?? error);
  } finally {
    source.destroy();
    unpacked.destroy();
    parser.destroy();
  }
  writer.finish();
  return { entries: writer.entries, bytes: writer.bytes };
}

/** By hand rather than by `pipeline`: a parser that is destroyed in the middle of an entry makes that one throw where nobody can catch it. */
async function feed(parser: tar.Extract, unpacked: Readable, limits: ExtractLimits): Promise<void> {
  const most = limits.maxBytes * 1.1 + limits.maxEntries * 2_048;
  const ended = new Promise<void>((resolve, reject) => {
    parser.once("finish", resolve);
    parser.once("error", reject);
    parser.once("close", () => reject(new Error("Unexpected end of data")));
  });
  ended.catch(() => undefined);
  let parsed = 0;
  for await (const chunk of unpacked as AsyncIterable<Buffer>) {
    // Headers count too: an archive of names alone is a bomb as well.
    parsed += chunk.length;
    if (parsed > most) throw tooLarge(limits);
    if (!parser.write(chunk)) await Promise.race([new Promise((resolve) => parser.once("drain", resolve)), ended]);
  }
  parser.end();
  await ended;
}

class Writer {
  readonly limits: ExtractLimits;
  entries = 0;
  bytes = 0;
  failure: unknown;
  private readonly root: string;
  private readonly links = new LinkMap();
  /** Folders that were seen to be real ones, not links. */
  private readonly realDirs = new Set<string>();

  constructor(private readonly options: ExtractOptions) {
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.root = path.resolve(options.dir);
  }

  async write(header: Header, content: Readable): Promise<void> {
    try {
      await this.writeEntry(header, content);
    } catch (error) {
      this.failure ??= error;
      throw error;
    }
  }

  /** Kept before the entry is left: leaving destroys the parser, whose complaint would hide the reason. */
  private failed(error: unknown): never {
    this.failure ??= error;
    throw error;
  }

  /** After the last entry: links are judged together, since one may lead through another. */
  finish(): void {
    const escaping = this.links.firstEscape();
    if (escaping !== null) throw refuse(escaping, "it is a link to a place outside of the archive");
  }

  private async writeEntry(header: Header, content: Readable): Promise<void> {
    this.count(header);
    const type = header.type ?? "file";
    const name = this.nameToWrite(header, type);
    if (name === null) return drain(content);
    const target = path.join(this.root, name);
    await this.ensureDir(path.dirname(target));
    if (FILE_TYPES.has(type)) return this.file(target, header, content);
    await drain(content);
    if (type === "directory") return this.ensureDir(target);
    return type === "symlink" ? this.symlink(target, name, header) : this.hardlink(target, name, header);
  }

  /** The clean path of an entry that is wanted, else null. Throws for a path or a type that is refused, wanted or not. */
  private nameToWrite(header: Header, type: string): string | null {
    if (IGNORED_TYPES.has(type)) return null;
    const name = cleanName(header.name);
    if (!WRITTEN_TYPES.has(type)) throw refuse(header.name, `it is a ${type}; an archive may hold files, folders and links`);
    return name !== "" && (this.options.only?.(name) ?? true) ? name : null;
  }

  private count(header: Header): void {
    this.entries++;
    this.bytes += header.size ?? 0;
    if (this.entries > this.limits.maxEntries) {
      throw new BuildError(`The archive has more than ${this.limits.maxEntries.toLocaleString("en")} entries. Leave generated files out.`, {
        kind: "user",
        code: "archive_too_many_entries",
      });
    }
    if (this.bytes > this.limits.maxBytes) throw tooLarge(this.limits);
  }

  /** Makes the folder and those above it. A link in the way is refused: it would lead what follows elsewhere. */
  private async ensureDir(dir: string): Promise<void> {
    if (dir === this.root || this.realDirs.has(dir)) return;
    await this.ensureDir(path.dirname(dir));
    const found = await lstat(dir).catch(() => null);
    if (found && !found.isDirectory()) {
      if (found.isSymbolicLink()) throw refuse(path.relative(this.root, dir), "entries below a link are refused");
      await rm(dir);
    }
    if (!found?.isDirectory()) await mkdir(dir, { mode: 0o755 });
    this.realDirs.add(dir);
  }

  private async clear(target: string): Promise<void> {
    await rm(target, { recursive: true, force: true });
    this.realDirs.delete(target);
    this.links.remove(path.relative(this.root, target));
  }

  private async file(target: string, header: Header, content: Readable): Promise<void> {
    await this.clear(target);
    const mode = (header.mode ?? 0) & 0o111 ? 0o755 : 0o644;
    // Exclusive: nothing that is there by now, a link above all, is written through.
    const handle = await open(target, "wx", mode);
    try {
      // `writeFile` goes on after a short write, as a disk that is filling up makes them.
      for await (const chunk of content as AsyncIterable<Buffer>)
        await handle.writeFile(chunk).catch((error: unknown) => this.failed(error));
      await handle.chmod(mode);
    } finally {
      await handle.close();
    }
  }

  private async symlink(target: string, name: string, header: Header): Promise<void> {
    const to = header.linkname ?? "";
    if (to === "" || path.isAbsolute(to) || to.includes("\0")) throw refuse(name, "it is a link to an absolute path or to nothing");
    const escapes = path.relative(this.root, path.resolve(path.dirname(target), to)).split(path.sep)[0] === "..";
    if (escapes) throw refuse(name, "it is a link to a place outside of the archive");
    await this.clear(target);
    this.links.add(name, to);
    await symlink(to, target);
  }

  private async hardlink(target: string, name: string, header: Header): Promise<void> {
    const source = path.join(this.root, cleanName(header.linkname ?? "") || "?");
    await this.ensureDir(path.dirname(source));
    const found = await lstat(source).catch(() => null);
    if (!found?.isFile()) throw refuse(name, "it is a link to a file that is not in the archive before it");
    await this.clear(target);
    await link(source, target);
    await chmod(target, found.mode & 0o111 ? 0o755 : 0o644);
  }
}

/** The entry's path without `./` and slashes at the ends. Throws for an absolute path, `..` and what no file can be called. */
function cleanName(name: string): string {
  if (name.includes("\0") || name.includes("\\")) throw refuse(name, "its name has a character that paths do not have");
  if (name.startsWith("/") || /^[A-Za-z]:/.test(name)) throw refuse(name, "its path is absolute");
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refuse(name, 'its path has ".."');
  if (name.length > MAX_PATH_CHARS || parts.some((part) => Buffer.byteLength(part) > MAX_NAME_BYTES))
    throw refuse(name, "its path is too long");
  return parts.join("/");
}

async function drain(content: Readable): Promise<void> {
  for await (const chunk of content) void chunk;
}

function refuse(name: string, reason: string): BuildError {
  return new BuildError(`The archive was refused: "${name.slice(0, 200)}": ${reason}.`, { kind: "user", code: "archive_refused" });
}

function tooLarge(limits: ExtractLimits): BuildError {
  const size = limits.maxBytes >= 1024 ** 3 ? `${limits.maxBytes / 1024 ** 3} GB` : `${limits.maxBytes} bytes`;
  return new BuildError(`The archive unpacks to more than ${size}. Leave large files out.`, { kind: "user", code: "archive_too_large" });
}

/** Errors of gzip and tar are the archive's, those of the disk are the machine's. */
function describe(error: unknown): unknown {
  if (error instanceof BuildError || !(error instanceof Error)) return error;
  const code = "code" in error ? String(error.code) : "";
  const damaged = code.startsWith("Z_") || /invalid tar header|unexpected end|premature|Unexpected end of data/i.test(error.message);
  if (!damaged) return error;
  return new BuildError(`The archive is damaged or not a gzipped tar: ${error.message}.`, {
    kind: "user",
    code: "archive_damaged",
    cause: error,
  });
}
