/** AWS Signature Version 4 for requests to S3 and stores that speak its protocol. */
import { createHash, createHmac } from "node:crypto";

export type S3Credentials = { accessKeyId: string; secretAccessKey: string; region: string };

export type SignableRequest = {
  method: string;
  url: URL;
  /** Signed besides host and date; lower-case names. */
  headers?: Record<string, string>;
  /** Hexadecimal SHA-256 of the body. */
  bodyHash: string;
  now: Date;
};

/** SHA-256 of nothing. */
export const EMPTY_BODY_HASH = sha256("");

/** The headers to send, `authorization` among them. */
export function signRequest(request: SignableRequest, credentials: S3Credentials): Record<string, string> {
  const timestamp = request.now.toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
  const day = timestamp.slice(0, 8);
  const headers: Record<string, string> = {
    ...request.headers,
    host: request.url.host,
    "x-amz-content-sha256": request.bodyHash,
    "x-amz-date": timestamp,
  };
  const names = Object.keys(headers).sort();
  const signedHeaders = names.join(";");
  const canonical = [
    request.method,
    request.url.pathname.split("/").map(encodeSegment).join("/"),
    queryOf(request.url),
    ...names.map((name) => `${name}:${(headers[name] ?? "").trim().replaceAll(/\s+/g, " ")}`),
    "",
    signedHeaders,
    request.bodyHash,
  ].join("\n");
  const scope = `${day}/${credentials.region}/s3/aws4_request`;
  const toSign = ["AWS4-HMAC-SHA256", timestamp, scope, sha256(canonical)].join("\n");
  const signature = hmac(signingKey(credentials, day), toSign).toString("hex");
  const authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
  // `host` is fetch's own to set.
  return { ...Object.fromEntries(Object.entries(headers).filter(([name]) => name !== "host")), authorization };
}

function signingKey({ secretAccessKey, region }: S3Credentials, day: string): Buffer {
  return ["s3", "aws4_request"].reduce((key, part) => hmac(key, part), hmac(hmac(`AWS4${secretAccessKey}`, day), region));
}

function queryOf(url: URL): string {
  return [...url.searchParams]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join("&");
}

/** The path arrives encoded by `URL`, which leaves some characters that S3 encodes. */
function encodeSegment(segment: string): string {
  return encode(decodeURIComponent(segment));
}

function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
