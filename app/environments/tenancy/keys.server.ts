/** Minting and hashing of credentials. All are random enough that one SHA-256 is a safe lookup key. */
import { createHash, randomBytes } from "node:crypto";
import type { EnvironmentSlug } from "../types";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** 62^32 is more than 2^190. Not 24 long: the SDK refuses to sign with keys that look like `tr_dev_sk_` and 24 characters. */
const SECRET_CHARS = 32;
const KEY_PREFIX: Record<EnvironmentSlug, string> = { dev: "tr_dev_", staging: "tr_stg_", prod: "tr_prod_", preview: "tr_preview_" };
const SECRET_KEY = /^tr_(dev|stg|prod|preview)_[0-9A-Za-z]{16,64}$/;
const PERSONAL_ACCESS_TOKEN = /^tr_pat_[0-9A-Za-z]{16,64}$/;

/** `length` letters and digits, each equally likely. */
export function randomText(length: number): string {
  let out = "";
  while (out.length < length) {
    for (const byte of randomBytes(length * 2)) {
      // 248 is the largest multiple of 62 in a byte: bytes above it would favour the first letters.
      if (byte < 248 && out.length < length) out += ALPHABET[byte % 62] ?? "";
    }
  }
  return out;
}

/** A new secret key, `tr_dev_…`, `tr_stg_…`, `tr_prod_…` or `tr_preview_…`. */
export function mintSecretKey(slug: EnvironmentSlug): string {
  return KEY_PREFIX[slug] + randomText(SECRET_CHARS);
}

/** True for text that could be a secret key of ours; anything else needs no lookup. */
export function looksLikeSecretKey(text: string): boolean {
  return SECRET_KEY.test(text);
}

/** A new personal access token, `tr_pat_…`. */
export function mintPersonalAccessToken(): string {
  return `tr_pat_${randomText(40)}`;
}

/** True for text that could be a personal access token of ours. */
export function looksLikePersonalAccessToken(text: string): boolean {
  return PERSONAL_ACCESS_TOKEN.test(text);
}

/** What lists show of a token: enough to recognise it, not to use it. */
export function obfuscateToken(token: string): string {
  return `${token.slice(0, 11)}${"•".repeat(12)}${token.slice(-4)}`;
}

/** `proj_` and 20 lowercase letters and digits, as `trigger.config.ts` names a project. */
export function mintProjectRef(): string {
  const lower = "0123456789abcdefghijklmnopqrstuvwxyz";
  let out = "proj_";
  while (out.length < 25) {
    for (const byte of randomBytes(40)) if (byte < 252 && out.length < 25) out += lower[byte % 36] ?? "";
  }
  return out;
}

/** The lookup key of a credential: 32 bytes. */
export function hashCredential(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
