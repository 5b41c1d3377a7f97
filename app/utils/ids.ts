/**
 * Ids: text, lowercase base32hex, time-ordered; their length says which database holds them.
 *
 * - 25 characters `c` + 9 of milliseconds + 15 random: control-plane database (also everything while runs share it).
 * - 27 characters: 10 of milliseconds + 2 of bucket (0..1023) + 15 random: run-ops database.
 *
 * Whatever a run owns inherits shape and bucket of its owner (`mintLike`), so every id is routable without a lookup.
 */
import { randomBytes } from "node:crypto";

const DIGITS = "0123456789abcdefghijklmnopqrstuv";
const RANDOM_CHARS = 15;
const BUCKETS = 1024;
const CONTROL_LENGTH = 25;
const RUN_OPS_LENGTH = 27;
const CONTROL_MS_CHARS = 9;
const RUN_OPS_MS_CHARS = 10;
const BODY = /^[0-9a-v]+$/;

/** Where an id lives. `unclassifiable` is read run-ops first and treated as control-plane. */
export type Residency = "control" | "run-ops" | "unclassifiable";

/** Bytes are drawn in blocks: one `randomBytes` call costs more than the 15 characters made of it. */
let pool = Buffer.alloc(0);
let poolAt = 0;

function randomChars(): string {
  if (poolAt + RANDOM_CHARS > pool.length) {
    pool = randomBytes(RANDOM_CHARS * 256);
    poolAt = 0;
  }
  let out = "";
  for (let i = 0; i < RANDOM_CHARS; i++) out += DIGITS[(pool[poolAt++] ?? 0) & 31];
  return out;
}

/** `value` as base32hex, padded to `width`; keeps the order of the numbers. */
export function encodeBase32Hex(value: number, width: number): string {
  let rest = value;
  let out = "";
  for (let i = 0; i < width; i++) {
    out = (DIGITS[rest % 32] ?? "0") + out;
    rest = Math.floor(rest / 32);
  }
  return out;
}

/** The number written by `encodeBase32Hex`; NaN when a character is outside 0-9a-v. */
function decodeBase32Hex(text: string): number {
  let value = 0;
  for (const char of text) {
    const digit = DIGITS.indexOf(char);
    if (digit < 0) return Number.NaN;
    value = value * 32 + digit;
  }
  return value;
}

/** A new 25-character id whose time is `ms` (epoch milliseconds). */
export function mintId(ms: number): string {
  return `c${encodeBase32Hex(ms, CONTROL_MS_CHARS)}${randomChars()}`;
}

/** A new 27-character id in `bucket` (0..1023). */
export function mintRunOpsId(ms: number, bucket: number): string {
  if (!Number.isInteger(bucket) || bucket < 0 || bucket >= BUCKETS) {
    throw new RangeError(`bucket must be a whole number from 0 to ${BUCKETS - 1}, got ${bucket}`);
  }
  return encodeBase32Hex(ms, RUN_OPS_MS_CHARS) + encodeBase32Hex(bucket, 2) + randomChars();
}

/** A new id with the shape and bucket of `owner`, so that it lives in the same database. */
export function mintLike(owner: string, ms: number): string {
  return residencyOf(owner) === "run-ops" ? mintRunOpsId(ms, bucketOf(owner) ?? 0) : mintId(ms);
}

/** Which database an id (without prefix) belongs to, from its shape alone. */
export function residencyOf(id: string): Residency {
  if (id.length === CONTROL_LENGTH && id.startsWith("c") && BODY.test(id)) return "control";
  if (id.length === RUN_OPS_LENGTH && BODY.test(id)) return "run-ops";
  return "unclassifiable";
}

/** The bucket of a 27-character id, or null for every other shape. */
function bucketOf(id: string): number | null {
  return residencyOf(id) === "run-ops" ? decodeBase32Hex(id.slice(RUN_OPS_MS_CHARS, RUN_OPS_MS_CHARS + 2)) : null;
}

/** The millisecond inside the id (this is `created_at` of the thing it names), or null when it is no id of ours. */
export function idMillis(id: string): number | null {
  const residency = residencyOf(id);
  if (residency === "control") return decodeBase32Hex(id.slice(1, 1 + CONTROL_MS_CHARS));
  if (residency === "run-ops") return decodeBase32Hex(id.slice(0, RUN_OPS_MS_CHARS));
  return null;
}

/** Prefixes of ids as users see them. */
export type IdPrefix =
  | "run"
  | "snapshot"
  | "batch"
  | "waitpoint"
  | "worker"
  | "queue"
  | "sched"
  | "env"
  | "proj"
  | "org"
  | "user"
  | "deployment"
  | "attempt";

/** `run_<id>` and so on. */
export function friendlyId(prefix: IdPrefix, id: string): string {
  return `${prefix}_${id}`;
}

/** The body of `<prefix>_<id>`; a bare body of ours is accepted too; null when it is neither. */
export function parseFriendlyId(prefix: IdPrefix, text: string): string | null {
  const body = text.startsWith(`${prefix}_`) ? text.slice(prefix.length + 1) : text;
  return residencyOf(body) === "unclassifiable" ? null : body;
}

const SEQ_CHARS = 5;

/** `snapshot_<run body><seq>`: sorts by seq within a run, so "is it newer" is a comparison and needs no table. */
export function snapshotId(runId: string, seq: number): string {
  return `snapshot_${runId}${encodeBase32Hex(seq, SEQ_CHARS)}`;
}

/** Run id and seq of a snapshot id, or null when it is malformed. */
export function parseSnapshotId(text: string): { runId: string; seq: number } | null {
  const body = text.startsWith("snapshot_") ? text.slice("snapshot_".length) : text;
  const runId = body.slice(0, -SEQ_CHARS);
  const seq = decodeBase32Hex(body.slice(-SEQ_CHARS));
  if (residencyOf(runId) === "unclassifiable" || Number.isNaN(seq)) return null;
  return { runId, seq };
}
