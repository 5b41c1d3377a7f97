/**
 * Releases in a bucket of S3, or of a store that speaks its protocol (MinIO, R2, Ceph). Uploads are staged on disk first:
 * the signature covers the hash of the body, and other bytes than the digest's never reach the bucket.
 */
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { EMPTY_BODY_HASH, signRequest, type S3Credentials } from "./s3Signature";
import { requireHex, type ByteRange, type ReleaseStore } from "./releaseStore";
import { stageRelease } from "./stageRelease.server";

export type S3StoreOptions = {
  /** Of the service, for example `https://s3.eu-central-1.amazonaws.com`; the bucket goes into the path. */
  endpoint: string;
  bucket: string;
  /** Before every key; without slashes at the ends, or empty. */
  prefix: string;
  credentials: S3Credentials;
  /** Where uploads are staged. */
  stagingDir: string;
  now: () => Date;
};

type Call = { headers?: Record<string, string>; body?: Readable; bodyHash?: string };

const NOT_FOUND = 404;
/** For an answer to begin; bodies take as long as they take. */
const TIMEOUT_MS = 60_000;

/** A store in a bucket that exists. Errors of the service are thrown with its status and text. */
export function createS3Store(options: S3StoreOptions): ReleaseStore {
  return new S3Store(options);
}

class S3Store implements ReleaseStore {
  constructor(private readonly options: S3StoreOptions) {}

  async put(digest: string, bytes: Readable) {
    const bodyHash = requireHex(digest);
    const staged = await stageRelease(this.options.stagingDir, digest, bytes);
    try {
      const headers = { "content-length": String(staged.bytes), "content-type": "application/gzip" };
      const body = createReadStream(staged.file);
      await this.expect(await this.call("PUT", digest, { headers, body, bodyHash }), [200]);
      return { bytes: staged.bytes };
    } finally {
      await staged.discard();
    }
  }

  async open(digest: string, range?: ByteRange) {
    const headers: Record<string, string> = range ? { range: `bytes=${range.start}-${range.end}` } : {};
    const answer = await this.call("GET", digest, { headers });
    if (answer.status === NOT_FOUND) return discardBody(answer);
    await this.expect(answer, [range ? 206 : 200]);
    return answer.body ? Readable.fromWeb(answer.body as ReadableStream) : Readable.from([]);
  }

  async stat(digest: string) {
    const answer = await this.call("HEAD", digest);
    if (answer.status === NOT_FOUND) return null;
    await this.expect(answer, [200]);
    return { bytes: Number(answer.headers.get("content-length") ?? 0) };
  }

  async has(digest: string) {
    return (await this.stat(digest)) !== null;
  }

  async remove(digest: string) {
    await this.expect(await this.call("DELETE", digest), [200, 204, NOT_FOUND]);
  }

  location(digest: string) {
    return `s3://${this.options.bucket}/${this.keyOf(digest)}`;
  }

  private keyOf(digest: string): string {
    const hex = requireHex(digest);
    return [this.options.prefix, "sha256", hex.slice(0, 2), `${hex}.tar.gz`].filter(Boolean).join("/");
  }

  private call(method: string, digest: string, { headers = {}, body, bodyHash = EMPTY_BODY_HASH }: Call = {}): Promise<Response> {
    const { endpoint, bucket, credentials, now } = this.options;
    const url = new URL(`${endpoint.replace(/\/+$/, "")}/${bucket}/${this.keyOf(digest)}`);
    const signed = signRequest({ method, url, headers, bodyHash, now: now() }, credentials);
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(new Error(`${url.host} did not answer within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
    const init: RequestInit & { duplex?: "half" } = body
      ? { method, headers: signed, body: Readable.toWeb(body) as unknown as BodyInit, duplex: "half" }
      : { method, headers: signed, signal: timeout.signal };
    return fetch(url, init).finally(() => clearTimeout(timer));
  }

  private async expect(answer: Response, statuses: readonly number[]): Promise<void> {
    if (statuses.includes(answer.status)) {
      if (answer.status !== 206 && !(answer.status === 200 && answer.body)) await answer.body?.cancel();
      return;
    }
    const text = (await answer.text().catch(() => "")).slice(0, 500);
    throw new Error(`The release store ${this.options.bucket} answered ${answer.status}: ${text}`);
  }
}

async function discardBody(answer: Response): Promise<null> {
  await answer.body?.cancel();
  return null;
}
