/** The signature of an upload form: who holds it may store one artifact, up to its limit, until it expires. */
import { createHmac, timingSafeEqual } from "node:crypto";

export type UploadGrant = {
  key: string;
  /** Most bytes of the file. */
  limitBytes: number;
  /** Epoch milliseconds. */
  expiresAtMs: number;
};

/** HMAC-SHA256 over key, limit and expiry, as base64url. */
export function signUpload(secret: Uint8Array, grant: UploadGrant): string {
  return macOf(secret, grant).toString("base64url");
}

export type UploadCheck = "ok" | "altered" | "expired";

/** An altered form is told from an expired one, as its holder can only mend the second by asking again. */
export function checkUpload(secret: Uint8Array, grant: UploadGrant, signature: string, nowMs: number): UploadCheck {
  const given = Buffer.from(signature, "base64url");
  const expected = macOf(secret, grant);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return "altered";
  return nowMs >= grant.expiresAtMs ? "expired" : "ok";
}

function macOf(secret: Uint8Array, grant: UploadGrant): Buffer {
  return createHmac("sha256", secret)
    .update(JSON.stringify([grant.key, grant.limitBytes, grant.expiresAtMs]))
    .digest();
}
