/** Where the bytes of releases are kept. Content addressed: a digest has one content for ever, so nothing is ever overwritten. */
import type { Readable } from "node:stream";

/** `sha256:<hex>` of the packed release. */
export type ReleaseDigest = string;
/** First and last byte, both included. */
export type ByteRange = { start: number; end: number };
export type ReleaseStat = { bytes: number };

export interface ReleaseStore {
  /**
   * Keeps the bytes. They appear under their digest whole or not at all; a digest that is there already is kept as it is.
   * Throws `DigestMismatchError` when they are other bytes, `ReleaseTooLargeError` when they are too many.
   */
  put(digest: ReleaseDigest, bytes: Readable): Promise<ReleaseStat>;
  /** Null when there is no such release. A range must lie inside of it. */
  open(digest: ReleaseDigest, range?: ByteRange): Promise<Readable | null>;
  stat(digest: ReleaseDigest): Promise<ReleaseStat | null>;
  has(digest: ReleaseDigest): Promise<boolean>;
  /** Succeeds when there is none. */
  remove(digest: ReleaseDigest): Promise<void>;
  /** For `release.location`: which store holds it. */
  location(digest: ReleaseDigest): string;
}

/** The bytes that arrived are not those that their digest names. */
export class DigestMismatchError extends Error {
  override readonly name = "DigestMismatchError";

  constructor(expected: ReleaseDigest, actual: ReleaseDigest) {
    super(`The bytes have digest ${actual}, not ${expected}.`);
  }
}

/** Above the limit that releases have unpacked; bytes. */
export const MAX_RELEASE_BYTES = 2 * 1024 * 1024 * 1024;

export class ReleaseTooLargeError extends Error {
  override readonly name = "ReleaseTooLargeError";

  constructor() {
    super("A release has at most 2 GB.");
  }
}

const DIGEST = /^sha256:([0-9a-f]{64})$/;

/** The hexadecimal part, or null for text that is no digest. */
export function hexOf(digest: string): string | null {
  return DIGEST.exec(digest)?.[1] ?? null;
}

/** As `hexOf`; throws for what can only be a mistake of ours. */
export function requireHex(digest: string): string {
  const hex = hexOf(digest);
  if (hex !== null) return hex;
  throw new Error(`Not the digest of a release: ${digest.slice(0, 100)}`);
}
