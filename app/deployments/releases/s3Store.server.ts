/**
 * Releases in a bucket. Uploads are staged on disk first: the signature covers the hash of the body, and other bytes than
 * the digest's never reach the bucket.
 */
import type { Readable } from "node:stream";
import { requireHex, type ByteRange, type ReleaseStore } from "./releaseStore";
import type { S3Bucket } from "./s3Bucket.server";
import { stageRelease } from "./stageRelease.server";

/** `stagingDir`: where uploads are staged. */
export function createS3Store(bucket: S3Bucket, stagingDir: string): ReleaseStore {
  return {
    async put(digest, bytes: Readable) {
      const sha256 = requireHex(digest);
      const staged = await stageRelease(stagingDir, digest, bytes);
      try {
        await bucket.put(keyOf(digest), { file: staged.file, bytes: staged.bytes, sha256 });
        return { bytes: staged.bytes };
      } finally {
        await staged.discard();
      }
    },
    open: async (digest, range?: ByteRange) => (await bucket.get(keyOf(digest), range))?.stream ?? null,
    stat: async (digest) => bucket.stat(keyOf(digest)),
    has: async (digest) => (await bucket.stat(keyOf(digest))) !== null,
    remove: async (digest) => bucket.remove(keyOf(digest)),
    location: (digest) => bucket.location(keyOf(digest)),
  };
}

function keyOf(digest: string): string {
  const hex = requireHex(digest);
  return `sha256/${hex.slice(0, 2)}/${hex}.tar.gz`;
}
