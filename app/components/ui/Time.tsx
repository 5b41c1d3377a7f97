import { useTimeZone } from "~/hooks/timeZone";
import { useElapsed } from "~/hooks/useElapsed";
import { clockTime, formatDuration, listTime, utcTime } from "~/utils/format";

/** A moment in the reader's zone with UTC in the tooltip. `nowMs`: another day than this one gets the day in front. */
export function Time({ ms, nowMs, fine = false }: { ms: number; nowMs?: number; fine?: boolean }) {
  const zone = useTimeZone();
  const text = nowMs === undefined ? clockTime(ms, zone, fine) : listTime(ms, nowMs, zone);
  return (
    <time dateTime={new Date(ms).toISOString()} title={utcTime(ms)} suppressHydrationWarning>
      {text}
    </time>
  );
}

/** A length of time; while `open` it counts on from the server's `asOf`. */
export function Duration({ ms, open = false, asOf, digits = 1 }: { ms: number; open?: boolean; asOf: number; digits?: 1 | 2 }) {
  const elapsed = useElapsed(asOf, open);
  return <>{formatDuration(ms + elapsed, digits)}</>;
}

/** What stands where a value is not there yet. */
export function EmptyValue() {
  return (
    <span className="muted" aria-label="none">
      –
    </span>
  );
}
