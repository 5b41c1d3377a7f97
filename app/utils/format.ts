/** Numbers, times and ids as pages and tables write them. Pure: the time zone is an argument. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const TAIL_OF_ID = 6;

/** `3 ms`, `0.31 s`, `9.4 s`, `30 min 43 s`, `2 h 58 min`, `3 d 4 h`. `digits`: decimals below ten seconds. */
export function formatDuration(ms: number, digits: 1 | 2 = 1): string {
  const value = Math.max(0, ms);
  if (value < 10) return `${Math.round(value)} ms`;
  if (value < 100) return `${(value / SECOND).toFixed(2)} s`;
  if (value < MINUTE) return `${floorTo(value / SECOND, value < 10 * SECOND ? digits : 1)} s`;
  if (value < HOUR) return twoUnits(value, [MINUTE, "min"], [SECOND, "s"]);
  if (value < DAY) return twoUnits(value, [HOUR, "h"], [MINUTE, "min"]);
  return twoUnits(value, [DAY, "d"], [HOUR, "h"]);
}

/** Cut, not rounded: what has not lasted a minute must not read 60.0 s. */
function floorTo(value: number, digits: number): string {
  const scale = 10 ** digits;
  return (Math.floor(value * scale + 1e-6) / scale).toFixed(digits);
}

/** A length that was asked for in whole seconds: `30 s`, `10 min`. */
export function formatSeconds(seconds: number): string {
  return seconds < 60 ? `${seconds} s` : formatDuration(seconds * SECOND);
}

type Unit = readonly [ms: number, name: string];

function twoUnits(value: number, [big, bigName]: Unit, [small, smallName]: Unit): string {
  const whole = Math.floor(value / big);
  const rest = Math.floor((value - whole * big) / small);
  return rest === 0 ? `${whole} ${bigName}` : `${whole} ${bigName} ${rest} ${smallName}`;
}

/** `12,800`. */
export function formatCount(value: number): string {
  return value.toLocaleString("en-US");
}

/** `0.2 KB`, `1.8 KB`, `3.0 MB`; below 100 bytes `84 B`. */
export function formatBytes(bytes: number): string {
  if (bytes < 100) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

/** `14:32:08`, with `hundredths` `14:32:08.41`. */
export function clockTime(ms: number, timeZone: string, hundredths = false): string {
  return dateTimeFormat(timeZone, hundredths ? "fine" : "clock").format(ms);
}

/** To the second; another day than `nowMs` gets the day in front: `20 Nov, 14:32:08`. */
export function listTime(ms: number, nowMs: number, timeZone: string): string {
  const day = dateTimeFormat(timeZone, "day");
  const time = clockTime(ms, timeZone);
  return day.format(ms) === day.format(nowMs) ? time : `${day.format(ms)}, ${time}`;
}

/** `2026-11-21 14:32:08.410 UTC`: what the tooltip of a time says. */
export function utcTime(ms: number): string {
  return `${new Date(ms).toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

/** `run_…r8w1zt`: ids of one hour share their start, so the end is what tells them apart. */
export function shortId(friendlyId: string): string {
  const prefix = friendlyId.slice(0, friendlyId.indexOf("_") + 1);
  return friendlyId.length <= prefix.length + TAIL_OF_ID ? friendlyId : `${prefix}…${friendlyId.slice(-TAIL_OF_ID)}`;
}

/** `tr_dev_7m3q…p08z`: enough to recognise a secret, too little to use it. */
export function maskSecret(secret: string): string {
  const prefix = /^[a-z]+_[a-z]+_/.exec(secret)?.[0] ?? "";
  const body = secret.slice(prefix.length);
  return body.length < 12 ? `${prefix}…` : `${prefix}${body.slice(0, 4)}…${body.slice(-4)}`;
}

/** `1 run`, `25 runs`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** The zone when this runtime knows it, else UTC: the value comes from a cookie. */
export function knownTimeZone(timeZone: string | null | undefined): string {
  if (!timeZone) return "UTC";
  try {
    return new Intl.DateTimeFormat("en-GB", { timeZone }).resolvedOptions().timeZone;
  } catch {
    return "UTC";
  }
}

type Format = "clock" | "fine" | "day";
const formats = new Map<string, Intl.DateTimeFormat>();
const OPTIONS: Record<Format, Intl.DateTimeFormatOptions> = {
  clock: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  fine: { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 2, hourCycle: "h23" },
  day: { day: "numeric", month: "short" },
};

/** Building a formatter costs 50 us, formatting 1 us: a list of 25 rows keeps two of them. */
function dateTimeFormat(timeZone: string, kind: Format): Intl.DateTimeFormat {
  const key = `${kind} ${timeZone}`;
  const cached = formats.get(key);
  if (cached) return cached;
  const made = new Intl.DateTimeFormat("en-GB", { ...OPTIONS[kind], timeZone });
  formats.set(key, made);
  return made;
}
