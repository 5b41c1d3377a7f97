/**
 * Uploaded archives on disk. A file appears under its key only when it is whole and synced: it is written beside its
 * place and renamed, so a crash leaves a temporary file and never half an artifact.
 */
import { createReadStream } from "node:fs";
import { mkdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { moveDurably, stageFile, type WrittenFile } from "../../platform/stagedFile.server";

/** What `createArtifact` hands out; anything else is no key of ours, and never becomes a path. */
const KEY = /^(deployments|bundles)\/[a-zA-Z0-9_-]{1,64}\/[a-z0-9-]{1,64}\/[0-9a-z]{24}\.tar\.gz$/;

export type StagedFile = Omit<WrittenFile, "file"> & {
  /** Makes the file the artifact; replaces what a crash left there. */
  keep(): Promise<void>;
};

export type ArtifactFiles = {
  /** Writes a stream beside its place. Throws FileTooLargeError, or the stream's own error; then nothing is left. */
  stage(key: string, source: Readable, limitBytes: number): Promise<StagedFile>;
  /** A read stream of the whole file, or null when it was removed. */
  read(key: string): Promise<{ bytes: number; stream: Readable } | null>;
  remove(key: string): Promise<void>;
};

/** Files below `directory`. */
export function createArtifactFiles(directory: string): ArtifactFiles {
  return {
    stage: (key, source, limitBytes) => stage({ directory, place: placeOf(directory, key) }, source, limitBytes),
    read: async (key) => {
      const place = placeOf(directory, key);
      const found = await stat(place).catch(() => null);
      return found ? { bytes: found.size, stream: createReadStream(place) } : null;
    },
    remove: (key) => rm(placeOf(directory, key), { force: true }),
  };
}

/** True for keys that this server hands out. */
function isArtifactKey(key: string): boolean {
  return KEY.test(key);
}

/** The key itself; throws for what this server never handed out, before it becomes a path. */
export function requireArtifactKey(key: string): string {
  if (isArtifactKey(key)) return key;
  throw new Error("Not the key of an artifact.");
}

function placeOf(directory: string, key: string): string {
  return path.join(directory, requireArtifactKey(key));
}

async function stage(target: { directory: string; place: string }, source: Readable, limitBytes: number): Promise<StagedFile> {
  await mkdir(path.dirname(target.place), { recursive: true });
  const { file, ...staged } = await stageFile(path.join(target.directory, ".incoming"), source, limitBytes);
  return {
    ...staged,
    keep: async () => {
      await moveDurably(file, target.place);
    },
  };
}
