/** Where releases and uploads are kept, as RELEASE_STORE_URL says. */
import path from "node:path";
import { S3Bucket } from "./s3Bucket.server";

export type StoreAddressOptions = {
  /**
   * Null: folders of the data directory. `file:///path`: another folder, which may be shared by several servers.
   * `s3://<key>:<secret>@<bucket>/<prefix>?endpoint=https://...&region=...`: a bucket.
   */
  url: string | null;
  dataDir: string;
  now: () => Date;
};

/** `local`: of this server alone. In a shared folder releases lie at the top, uploads in a folder of it. */
export type StorePlace = { kind: "local" } | { kind: "folder"; path: string } | { kind: "bucket"; bucket: S3Bucket };

/** Opens nothing yet. Throws an Error that says what is wrong with the address; it never contains the secret. */
export function readStoreAddress({ url, now }: Pick<StoreAddressOptions, "url" | "now">): StorePlace {
  if (url === null) return { kind: "local" };
  const address = URL.canParse(url) ? new URL(url) : null;
  if (address?.protocol === "file:") return { kind: "folder", path: path.resolve(decodeURIComponent(address.pathname)) };
  if (address?.protocol === "s3:") return { kind: "bucket", bucket: bucketAt(address, now) };
  throw new Error("RELEASE_STORE_URL must begin with file:// or s3://.");
}

function bucketAt(address: URL, now: () => Date): S3Bucket {
  const bucket = address.hostname;
  const region = address.searchParams.get("region") ?? "us-east-1";
  const accessKeyId = decodeURIComponent(address.username);
  const secretAccessKey = decodeURIComponent(address.password);
  if (!bucket || !accessKeyId || !secretAccessKey) {
    throw new Error(
      "RELEASE_STORE_URL needs a key, a secret and a bucket: s3://<key>:<secret>@<bucket>/<prefix>?endpoint=https://...&region=..."
    );
  }
  return new S3Bucket({
    endpoint: address.searchParams.get("endpoint") ?? `https://s3.${region}.amazonaws.com`,
    bucket,
    prefix: address.pathname.replaceAll(/^\/+|\/+$/g, ""),
    credentials: { accessKeyId, secretAccessKey, region },
    now,
  });
}
