/** Versions `YYYYMMDD.N` and short codes. */
import { randomInt } from "node:crypto";

const VERSION = /^(\d{8})\.(\d{1,9})$/;

/** Date part as text and number part of a version, or null when it is not one. */
function parseVersion(version: string): { date: string; number: number } | null {
  const match = VERSION.exec(version);
  return match?.[1] && match[2] ? { date: match[1], number: Number(match[2]) } : null;
}

/** Negative when `a` is older than `b`: dates as text, numbers as numbers (`.9` before `.10`). */
export function compareVersions(a: string, b: string): number {
  const left = parseVersion(a);
  const right = parseVersion(b);
  if (!left || !right) throw new Error(`Not a version: ${left ? b : a}`);
  if (left.date !== right.date) return left.date < right.date ? -1 : 1;
  return left.number - right.number;
}

/** The version after `newest` at `nowMs` (UTC). A newest date in the future is kept, so versions never go back with the clock. */
export function nextVersion(newest: string | null, nowMs: number): string {
  const today = new Date(nowMs).toISOString().slice(0, 10).replaceAll("-", "");
  const last = newest === null ? null : parseVersion(newest);
  if (!last || last.date < today) return `${today}.1`;
  return `${last.date}.${last.number + 1}`;
}

const SHORT_CODE_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";
const SHORT_CODE_LENGTH = 8;

/** Eight characters that name a deployment in links; unique in its project (a collision is drawn again). */
export function newShortCode(draw: (limit: number) => number = randomInt): string {
  return Array.from({ length: SHORT_CODE_LENGTH }, () => SHORT_CODE_ALPHABET[draw(SHORT_CODE_ALPHABET.length)]).join("");
}
