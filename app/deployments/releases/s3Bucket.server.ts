/** Objects of a bucket of S3, or of a store that speaks its protocol (MinIO, R2, Ceph). */
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { EMPTY_BODY_HASH, signRequest, type S3Credentials } from "./s3Signature";

export type S3BucketOptions = {
  /** Of the service, for example `https://s3.eu-central-1.amazonaws.com`; the bucket goes into the path. */
  endpoint: string;
  bucket: string;
  /** Before every key; without slashes at the ends, or empty. */
  prefix: string;
  credentials: S3Credentials;
  now: () => Date;
};

/** A file that becomes an object. The signature covers its hash, so it has to be known before. */
export type S3Upload = { file: string; bytes: number; sha256: string };

type Call = { headers?: Record<string, string>; body?: Readable; bodyHash?: string };

const NOT_FOUND = 404;
/** For an answer to begin. An upload takes as long as it takes: fetch itself gives up when nothing moves for 300 s. */
const TIMEOUT_MS = 60_000;

/** A bucket that exists. Errors of the service are thrown with its status and text. */
export class S3Bucket {
  constructor(private readonly options: S3BucketOptions) {}

  async put(key: string, { file, bytes, sha256 }: S3Upload): Promise<void> {
    const headers = { "content-length": String(bytes), "content-type": "application/gzip" };
    const answer = await this.call("PUT", key, { headers, body: createReadStream(file), bodyHash: sha256 });
    await this.expect(answer, [200]);
    await discardBody(answer);
  }

  /** Null when there is no such object. */
  async get(key: string, range?: { start: number; end: number }): Promise<{ bytes: number; stream: Readable } | null> {
    const headers: Record<string, string> = range ? { range: `bytes=${range.start}-${range.end}` } : {};
    const answer = await this.call("GET", key, { headers });
    if (answer.status === NOT_FOUND) return discardBody(answer);
    await this.expect(answer, [range ? 206 : 200]);
    return { bytes: lengthOf(answer), stream: answer.body ? Readable.fromWeb(answer.body as ReadableStream) : Readable.from([]) };
  }

  /** Null when there is no such object. */
  async stat(key: string): Promise<{ bytes: number } | null> {
    const answer = await this.call("HEAD", key);
    if (answer.status === NOT_FOUND) return null;
    await this.expect(answer, [200]);
    return { bytes: lengthOf(answer) };
  }

  /** Succeeds when there is none. */
  async remove(key: string): Promise<void> {
    await this.expect(await this.call("DELETE", key), [200, 204, NOT_FOUND]);
  }

  location(key: string): string {
    return `s3://${this.options.bucket}/${this.pathOf(key)}`;
  }

  private pathOf(key: string): string {
    return [this.options.prefix, key].filter(Boolean).join("/");
  }

  private call(method: string, key: string, { headers = {}, body, bodyHash = EMPTY_BODY_HASH }: Call = {}): Promise<Response> {
    const { endpoint, bucket, credentials, now } = this.options;
    const url = new URL(`${endpoint.replace(/\/+$/, "")}/${bucket}/${this.pathOf(key)}`);
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

function lengthOf(answer: Response): number {
  return Number(answer.headers.get("content-length") ?? 0);
}

async function discardBody(answer: Response): Promise<null> {
  await answer.body?.cancel();
  return null;
}
