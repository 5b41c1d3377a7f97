/** One contract for both stores; the bucket is a small server in the test's process that checks signatures itself. */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { S3Server } from "../../../test/deployments/s3Server";
import { canMount, smallDisk } from "../../../test/support/smallDisk";
import { openReleaseStore } from "./openReleaseStore.server";
import { DigestMismatchError, type ReleaseDigest, type ReleaseStore } from "./releaseStore";
import { signRequest } from "./s3Signature";
import { stageRelease } from "./stageRelease.server";

const s3 = new S3Server();
let dataDir: string;

beforeAll(() => s3.start());
afterAll(() => s3.stop());
beforeEach(() => {
  dataDir = mkdtempSync(path.join(os.tmpdir(), "sluice-releases-"));
  s3.objects.clear();
  s3.refuseWith = null;
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const bytes = Buffer.from("the bytes of a release");
const digestOf = (content: Buffer) => `sha256:${createHash("sha256").update(content).digest("hex")}`;
const digest = digestOf(bytes);
const absent = digestOf(Buffer.from("never stored"));
const read = async (stream: Readable | null) => {
  const chunks: Buffer[] = [];
  for await (const chunk of stream ?? []) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
};
const bucketUrl = (secret?: string) => s3.url(secret);
const open = (url: string | null) => openReleaseStore({ url, dataDir, now: () => new Date() });

describe.each([
  ["a folder of the data directory", () => open(null)],
  ["a folder elsewhere", () => open(`file://${dataDir}/else%20where`)],
  ["a bucket", () => open(bucketUrl())],
])("release store: %s", (_name, create) => {
  let store: ReleaseStore;
  beforeEach(() => {
    store = create();
  });

  it("keeps, reads, measures and removes", async () => {
    expect(await store.has(digest)).toBe(false);
    expect(await store.put(digest, Readable.from([bytes]))).toEqual({ bytes: bytes.length });
    expect(await store.stat(digest)).toEqual({ bytes: bytes.length });
    expect(await read(await store.open(digest))).toBe(bytes.toString());
    expect(await read(await store.open(digest, { start: 4, end: 8 }))).toBe("bytes");
    expect(store.location(digest)).toContain(digest.slice(7));
    await store.remove(digest);
    expect(await store.has(digest)).toBe(false);
    await store.remove(digest);
  });

  it("answers null for what is not there", async () => {
    expect(await store.open(absent)).toBeNull();
    expect(await store.stat(absent)).toBeNull();
  });

  it("refuses other bytes than the digest names, and keeps nothing of them", async () => {
    await expect(store.put(digest, Readable.from([Buffer.from("other bytes")]))).rejects.toBeInstanceOf(DigestMismatchError);
    expect(await store.has(digest)).toBe(false);
    expect(leftovers()).toEqual([]);
  });

  it("keeps nothing of an upload that breaks off", async () => {
    const broken = Readable.from(
      (async function* () {
        yield bytes.subarray(0, 5);
        await Promise.resolve();
        throw new Error("connection lost");
      })()
    );
    await expect(store.put(digest, broken)).rejects.toThrow("connection lost");
    expect(await store.has(digest)).toBe(false);
    expect(leftovers()).toEqual([]);
  });

  it("keeps one copy when two builds store the same", async () => {
    await Promise.all([store.put(digest, Readable.from([bytes])), store.put(digest, Readable.from([bytes]))]);
    expect(await read(await store.open(digest))).toBe(bytes.toString());
    expect(leftovers()).toEqual([]);
  });

  it("takes no other names than digests", async () => {
    await expect(async () => store.stat("../../etc/passwd")).rejects.toThrow("Not the digest");
    await expect(async () => store.put("sha256:ABC", Readable.from([bytes]))).rejects.toThrow("Not the digest");
  });
});

/** Files of unfinished uploads, in any store of the data directory. */
function leftovers(): string[] {
  const folders = [path.join(dataDir, "releases/.incoming"), path.join(dataDir, "else where/.incoming")];
  return folders.flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : []));
}

it("a store on a nearly full disk refuses what it takes only a part of, and keeps nothing", async () => {
  if (!canMount) return;
  const disk = smallDisk(64);
  try {
    const bytes = randomBytes(1_000_000);
    const digest: ReleaseDigest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    await expect(stageRelease(disk.dir, digest, Readable.from([bytes]))).rejects.toMatchObject({ code: "ENOSPC" });
    expect(readdirSync(disk.dir)).toEqual([]);
  } finally {
    disk.remove();
  }
});

describe("a bucket", () => {
  it("signs as the service expects", () => {
    // The example of the service's documentation: GET of the first ten bytes of an object.
    const headers = signRequest(
      {
        method: "GET",
        url: new URL("https://examplebucket.s3.amazonaws.com/test.txt"),
        headers: { range: "bytes=0-9" },
        bodyHash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        now: new Date("2013-05-24T00:00:00Z"),
      },
      { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", region: "us-east-1" }
    );
    expect(headers.authorization).toContain("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  });

  it("throws the service's words, without the secret", async () => {
    await expect(open(bucketUrl("wrong")).put(digest, Readable.from([bytes]))).rejects.toThrow(
      /builds answered 403: .*SignatureDoesNotMatch/
    );
    s3.refuseWith = 503;
    await expect(open(bucketUrl()).stat(digest)).rejects.toThrow("answered 503");
  });

  it.each(["s3://builds", "s3://key@builds", "ftp://x", "nonsense"])("refuses the address %s", (url) => {
    expect(() => open(url)).toThrow(/RELEASE_STORE_URL/);
  });
});
