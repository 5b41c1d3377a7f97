/** Releases as files: `<root>/sha256/<first two>/<digest>.tar.gz`. */
import { createReadStream } from "node:fs";
import { mkdir, open, rm, stat } from "node:fs/promises";
import path from "node:path";
import { moveDurably } from "../../platform/stagedFile.server";
import { requireHex, type ReleaseStore } from "./releaseStore";
import { stageRelease } from "./stageRelease.server";

/** A store below `root`, which is created on first use. */
export function createDirectoryStore(root: string): ReleaseStore {
  const fileOf = (digest: string) => {
    const hex = requireHex(digest);
    return path.join(root, "sha256", hex.slice(0, 2), `${hex}.tar.gz`);
  };
  const statOf = async (digest: string) => {
    const found = await stat(fileOf(digest)).catch(missing);
    return found ? { bytes: found.size } : null;
  };
  return {
    async put(digest, bytes) {
      const target = fileOf(digest);
      const staged = await stageRelease(path.join(root, ".incoming"), digest, bytes);
      try {
        await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
        await moveDurably(staged.file, target);
      } catch (error) {
        await staged.discard();
        throw error;
      }
      return { bytes: staged.bytes };
    },
    async open(digest, range) {
      // Opened here rather than by the stream: a missing file is an answer, not an error in the middle of one.
      const handle = await open(fileOf(digest), "r").catch(missing);
      if (!handle) return null;
      return createReadStream("", { fd: handle, autoClose: true, ...(range ? { start: range.start, end: range.end } : {}) });
    },
    stat: statOf,
    has: async (digest) => (await statOf(digest)) !== null,
    remove: (digest) => rm(fileOf(digest), { force: true }),
    location: (digest) => `file:${fileOf(digest)}`,
  };
}

function missing(error: NodeJS.ErrnoException): null {
  if (error.code === "ENOENT") return null;
  throw error;
}
