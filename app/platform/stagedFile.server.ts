/** Streams as files: written beside their place, known by size and hash, and in their place only when whole and synced. */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, rename, rm, type FileHandle } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";

export type WrittenFile = {
  file: string;
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
  discard(): Promise<void>;
};

/** Thrown when a stream has more bytes than allowed; nothing is kept. */
export class FileTooLargeError extends Error {
  override readonly name = "FileTooLargeError";
}

/** Writes and syncs a stream as a new file of `directory`. Throws FileTooLargeError, or the stream's own error; then nothing is left. */
export async function stageFile(directory: string, source: Readable, limitBytes: number): Promise<WrittenFile> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = path.join(directory, randomBytes(16).toString("hex"));
  const discard = () => rm(file, { force: true });
  const handle = await open(file, "wx", 0o600);
  try {
    const written = await copy(handle, source, limitBytes);
    await handle.sync();
    await handle.close();
    return { ...written, file, discard };
  } catch (error) {
    await handle.close().catch(() => undefined);
    await discard();
    throw error;
  }
}

/** Renames a file, for good: without a sync of its directory a power cut may undo that. */
export async function moveDurably(file: string, target: string): Promise<void> {
  await rename(file, target);
  const directory = await open(path.dirname(target), "r");
  await directory.sync().finally(() => directory.close());
}

async function copy(file: FileHandle, source: Readable, limitBytes: number): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of source as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > limitBytes) throw new FileTooLargeError(`more than ${limitBytes} bytes`);
    hash.update(chunk);
    // Not `write`, which takes a part of the chunk for success where the disk is nearly full.
    await file.writeFile(chunk);
  }
  return { bytes, sha256: hash.digest("hex") };
}
