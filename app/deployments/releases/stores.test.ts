/** One contract for both stores; the bucket is a small server in the test's process that checks signatures itself. */
import { createHash, createHmac } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openReleaseStore } from "./openReleaseStore.server";
import { DigestMismatchError, type ReleaseStore } from "./releaseStore";
import { signRequest } from "./s3Signature";

const SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const objects = new Map<string, Buffer>();
let refuseWith: number | null = null;
let s3: Server;
let dataDir: string;

/** The signature as a service computes it, from what arrived. */
function isSigned(request: IncomingMessage, body: Buffer): boolean {
  const match =
    /^AWS4-HMAC-SHA256 Credential=AKID\/(\d{8})\/eu-west-1\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      request.headers.authorization ?? ""
    );
  if (!match) return false;
  const [, day = "", names = "", signature] = match;
  const headers = names.split(";").map((name) => `${name}:${String(request.headers[name])}\n`);
  const hash = String(request.headers["x-amz-content-sha256"]);
  if (hash !== createHash("sha256").update(body).digest("hex")) return false;
  const [resource = "", query = ""] = (request.url ?? "").split("?");
  const canonical = [request.method, resource, query, headers.join(""), names, hash].join("\n");
  const stamp = String(request.headers["x-amz-date"]);
  const scope = `${day}/eu-west-1/s3/aws4_request`;
  const toSign = ["AWS4-HMAC-SHA256", stamp, scope, createHash("sha256").update(canonical).digest("hex")].join("\n");
  const key = ["eu-west-1", "s3", "aws4_request"].reduce(
    (from: Buffer, part) => createHmac("sha256", from).update(part).digest(),
    createHmac("sha256", `AWS4${SECRET}`).update(day).digest()
  );
  return createHmac("sha256", key).update(toSign).digest("hex") === signature;
}

type S3Answer = { status: number; body?: Buffer | string; headers?: Record<string, string | number> };

function answerTo(request: IncomingMessage, body: Buffer): S3Answer {
  const name = request.url ?? "";
  if (refuseWith !== null) return { status: refuseWith, body: "<Error>SlowDown</Error>" };
  if (!isSigned(request, body)) return { status: 403, body: "<Error>SignatureDoesNotMatch</Error>" };
  if (request.method === "PUT") {
    objects.set(name, body);
    return { status: 200 };
  }
  if (request.method === "DELETE") return { status: objects.delete(name) ? 204 : 404 };
  const found = objects.get(name);
  if (!found) return { status: 404, body: "<Error>NoSuchKey</Error>" };
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  const part = range ? found.subarray(Number(range[1]), Number(range[2]) + 1) : found;
  return { status: range ? 206 : 200, body: part, headers: { "content-length": part.length } };
}

beforeAll(async () => {
  s3 = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { status, body, headers } = answerTo(request, Buffer.concat(chunks));
      response.writeHead(status, headers ?? {}).end(request.method === "HEAD" ? undefined : body);
    });
  });
  await new Promise<void>((resolve) => s3.listen(0, "127.0.0.1", resolve));
});
afterAll(() => void s3.close());
beforeEach(() => {
  dataDir = mkdtempSync(path.join(os.tmpdir(), "sluice-releases-"));
  objects.clear();
  refuseWith = null;
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
const bucketUrl = (secret = SECRET) =>
  `s3://AKID:${encodeURIComponent(secret)}@builds/team%20a/x?region=eu-west-1&endpoint=http://127.0.0.1:${(s3.address() as AddressInfo).port}`;
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
    refuseWith = 503;
    await expect(open(bucketUrl()).stat(digest)).rejects.toThrow("answered 503");
  });

  it.each(["s3://builds", "s3://key@builds", "ftp://x", "nonsense"])("refuses the address %s", (url) => {
    expect(() => open(url)).toThrow(/RELEASE_STORE_URL/);
  });
});
