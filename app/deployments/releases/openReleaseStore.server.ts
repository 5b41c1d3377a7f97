/** Chooses the release store by its address. */
import path from "node:path";
import { createDirectoryStore } from "./directoryStore.server";
import type { ReleaseStore } from "./releaseStore";
import { createS3Store } from "./s3Store.server";

export type ReleaseStoreOptions = {
  /**
   * Null: a folder of the data directory. `file:///path`: another folder, which may be shared by several servers.
   * `s3://<key>:<secret>@<bucket>/<prefix>?endpoint=https://...&region=...`: a bucket.
   */
  url: string | null;
  dataDir: string;
  now: () => Date;
};

/** Opens nothing yet. Throws an Error that says what is wrong with the address; it never contains the secret. */
export function openReleaseStore({ url, dataDir, now }: ReleaseStoreOptions): ReleaseStore {
  if (url === null) return createDirectoryStore(path.join(dataDir, "releases"));
  const address = URL.canParse(url) ? new URL(url) : null;
  if (address?.protocol === "file:") return createDirectoryStore(decodeURIComponent(address.pathname));
  if (address?.protocol === "s3:") return openBucket(address, { dataDir, now });
  throw new Error("RELEASE_STORE_URL must begin with file:// or s3://.");
}

function openBucket(address: URL, { dataDir, now }: Pick<ReleaseStoreOptions, "dataDir" | "now">): ReleaseStore {
  const bucket = address.hostname;
  const region = address.searchParams.get("region") ?? "us-east-1";
  const accessKeyId = decodeURIComponent(address.username);
  const secretAccessKey = decodeURIComponent(address.password);
  if (!bucket || !accessKeyId || !secretAccessKey) {
    throw new Error(
      "RELEASE_STORE_URL needs a key, a secret and a bucket: s3://<key>:<secret>@<bucket>/<prefix>?endpoint=https://...&region=..."
    );
  }
  return createS3Store({
    endpoint: address.searchParams.get("endpoint") ?? `https://s3.${region}.amazonaws.com`,
    bucket,
    prefix: address.pathname.replaceAll(/^\/+|\/+$/g, ""),
    credentials: { accessKeyId, secretAccessKey, region },
    stagingDir: path.join(dataDir, "releases", ".incoming"),
    now,
  });
}
