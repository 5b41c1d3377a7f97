/** Receives a release into a temporary file, and lets it out only when its digest is right. */
import type { Readable } from "node:stream";
import { FileTooLargeError, stageFile, type WrittenFile } from "../../platform/stagedFile.server";
import { DigestMismatchError, MAX_RELEASE_BYTES, ReleaseTooLargeError, type ReleaseDigest } from "./releaseStore";

/** Writes and syncs. Throws with nothing left behind. */
export async function stageRelease(directory: string, digest: ReleaseDigest, source: Readable): Promise<WrittenFile> {
  const staged = await stageFile(directory, source, MAX_RELEASE_BYTES).catch((error: unknown) => {
    throw error instanceof FileTooLargeError ? new ReleaseTooLargeError() : error;
  });
  const actual = `sha256:${staged.sha256}`;
  if (actual === digest) return staged;
  await staged.discard();
  throw new DigestMismatchError(digest, actual);
}
