/** Chooses the release store by its address. */
import path from "node:path";
import { createDirectoryStore } from "./directoryStore.server";
import type { ReleaseStore } from "./releaseStore";
import { createS3Store } from "./s3Store.server";
import { readStoreAddress, type StoreAddressOptions } from "./storeAddress.server";

/** Opens nothing yet. Throws an Error that says what is wrong with the address. */
export function openReleaseStore({ url, dataDir, now }: StoreAddressOptions): ReleaseStore {
  const place = readStoreAddress({ url, now });
  const local = path.join(dataDir, "releases");
  if (place.kind === "bucket") return createS3Store(place.bucket, path.join(local, ".incoming"));
  return createDirectoryStore(place.kind === "folder" ? place.path : local);
}
