/** How long a public token lives, as callers of the API and the SDK write it. */
import { AppError } from "../utils/appError";

const UNIT_SECONDS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };
const SPAN = /^(\d{1,9}) ?(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)$/i;

/** Seconds from now: a text is a span (`15m`, `2 hours`), a number the epoch second of the end. Throws 400. */
export function tokenLifetimeSeconds(expirationTime: string | number, nowMs: number): number {
  if (typeof expirationTime === "number") return Math.floor(expirationTime - nowMs / 1_000);
  const match = SPAN.exec(expirationTime.trim());
  const seconds = match ? Number(match[1]) * (UNIT_SECONDS[(match[2] ?? "").charAt(0).toLowerCase()] ?? 0) : 0;
  if (seconds > 0) return seconds;
  throw new AppError("invalid_expiration", 400, `"${expirationTime}" is no duration. Write expirationTime like 15m, 1h or 7d.`);
}
