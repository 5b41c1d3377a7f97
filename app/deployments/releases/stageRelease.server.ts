/** Receives a release into a temporary file, and lets it out only when its digest is right. */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, rm } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { DigestMismatchError, MAX_RELEASE_BYTES, ReleaseTooLargeError, type ReleaseDigest } from "./releaseStore";

export type StagedRelease = { file: string; bytes: number; discard(): Promise<void> };

/** Writes and syncs. Throws with nothing left behind. */
export async function stageRelease(directory: string, digest: ReleaseDigest, source: Readable): Promise<StagedRelease> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = path.join(directory, `${randomBytes(16).toString("hex")}.part`);
  const discard = () => rm(file, { force: true });
  const handle = await open(file, "wx", 0o600);
  try {
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const chunk of source as AsyncIterable<Uint8Array>) {
      bytes += chunk.byteLength;
      if (bytes > MAX_RELEASE_BYTES) throw new ReleaseTooLargeError();
      hash.update(chunk);
      // Not `write`, which takes a part of the chunk for success where the disk is nearly full.
      await handle.writeFile(chunk);
    }
    const actual = `sha256:${hash.digest("hex")}`;
    if (actual !== digest) throw new DigestMismatchError(digest, actual);
    await handle.sync();
    await handle.close();
    return { file, bytes, discard };
  } catch (error) {
    await handle.close().catch(() => undefined);
    await discard();
    throw error;
  }
}
