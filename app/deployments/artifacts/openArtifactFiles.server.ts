/**
 * Uploads lie where releases do: with several server processes, one receives the archive and another may hand it to the
 * builder, or look at it in the workflow.
 */
import path from "node:path";
import type { Readable } from "node:stream";
import { stageFile } from "../../platform/stagedFile.server";
import type { S3Bucket } from "../releases/s3Bucket.server";
import { readStoreAddress, type StoreAddressOptions } from "../releases/storeAddress.server";
import { createArtifactFiles, requireArtifactKey, type ArtifactFiles } from "./artifactFiles.server";

/** Opens nothing yet. Throws an Error that says what is wrong with the address. */
export function openArtifactFiles({ url, dataDir, now }: StoreAddressOptions): ArtifactFiles {
  const place = readStoreAddress({ url, now });
  const local = path.join(dataDir, "artifacts");
  if (place.kind === "bucket") return createBucketFiles(place.bucket, path.join(local, ".incoming"));
  return createArtifactFiles(place.kind === "folder" ? path.join(place.path, "uploads") : local);
}

/** An upload is staged on disk: its hash and size have to be known before the bucket takes it. */
function createBucketFiles(bucket: S3Bucket, stagingDir: string): ArtifactFiles {
  const nameOf = (key: string) => `uploads/${requireArtifactKey(key)}`;
  return {
    async stage(key: string, source: Readable, limitBytes: number) {
      const name = nameOf(key);
      const staged = await stageFile(stagingDir, source, limitBytes);
      return { ...staged, keep: () => bucket.put(name, staged) };
    },
    read: async (key) => bucket.get(nameOf(key)),
    remove: async (key) => bucket.remove(nameOf(key)),
  };
}
