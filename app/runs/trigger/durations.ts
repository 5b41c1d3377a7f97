/** Delays and times to live as callers write them: `30s`, `1h30m`, ISO dates, whole seconds. */
import { parseNaturalLanguageDurationInMs } from "@trigger.dev/core/v3/isomorphic";
import { AppError } from "../../utils/appError";

/** Ten years: later dates are slips of a unit, and would keep a partition alive for ever. */
const MAX_DELAY_MS = 10 * 365 * 86_400_000;
const MAX_TTL_SECONDS = 2_147_483_647;
const MAX_DATE_MS = 8.64e15;
const DIGITS = /^\d+$/;

/** Milliseconds of a duration such as `10m` or `1h30m`; null when it is none. */
export function parseDurationMs(text: string): number | null {
  const ms = parseNaturalLanguageDurationInMs(text);
  return ms === undefined || !Number.isSafeInteger(ms) ? null : ms;
}

/** The instant that a delay names, in epoch milliseconds; null when it lies in the past (run now). Throws AppError 400. */
export function resolveDelay(delay: string | number, nowMs: number): number | null {
  const at = typeof delay === "number" ? delay : delayInstant(delay, nowMs);
  if (Number.isNaN(at) || Math.abs(at) > MAX_DATE_MS) {
    throw new AppError("invalid_delay", 400, `Invalid delay "${delay}". Use an ISO date or a duration such as 30s, 2h, 1d.`);
  }
  if (at > nowMs + MAX_DELAY_MS) throw new AppError("invalid_delay", 400, `Invalid delay "${delay}": it is more than ten years away.`);
  return at > nowMs ? at : null;
}

function delayInstant(text: string, nowMs: number): number {
  const durationMs = parseDurationMs(text);
  return durationMs === null ? isoInstant(text) : nowMs + durationMs;
}

/** `Date.parse` reads "5" as a year; only texts that begin like an ISO date are dates here. */
function isoInstant(text: string): number {
  return /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
}

/** Seconds of a ttl (`10m`, `600`, 600); 0: for ever. Throws AppError 400. */
export function resolveTtlSeconds(ttl: string | number): number {
  const seconds = typeof ttl === "number" ? ttl : ttlTextSeconds(ttl);
  if (Number.isNaN(seconds) || seconds > MAX_TTL_SECONDS) {
    throw new AppError("invalid_ttl", 400, `Invalid ttl "${ttl}". Use a duration such as 10m, or whole seconds; 0 turns it off.`);
  }
  return seconds;
}

function ttlTextSeconds(text: string): number {
  if (DIGITS.test(text)) return Number(text);
  const ms = parseDurationMs(text);
  return ms === null ? Number.NaN : Math.floor(ms / 1_000);
}

/** `90` as `1m30s`: how a ttl that was given in seconds is shown. */
export function formatSeconds(seconds: number): string {
  const units: readonly [string, number][] = [
    ["w", 604_800],
    ["d", 86_400],
    ["h", 3_600],
    ["m", 60],
    ["s", 1],
  ];
  let rest = seconds;
  let out = "";
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    if (count > 0) out += `${count}${unit}`;
    rest -= count * size;
  }
  return out || "0s";
}
