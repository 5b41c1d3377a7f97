import { useRevalidator } from "@remix-run/react";
import { createContext, useContext, useEffect, useRef, useState, type ReactNode } from "react";

const TimeZoneContext = createContext("UTC");

/** Cookie in which the browser's time zone reaches the server, so that the first paint already has local times. */
export const TIME_ZONE_COOKIE = "sluice_tz";
const YEAR_SECONDS = 31_536_000;

/**
 * Gives times below it the reader's zone: the cookie's, then the browser's own once it runs. Sentences with times in them
 * are written by the server, so a page that was read with another zone is read once more.
 */
export function TimeZoneProvider({ initial, children }: { initial: string; children: ReactNode }) {
  const [zone, setZone] = useState(initial);
  const { revalidate } = useRevalidator();
  const latest = useRef(revalidate);
  latest.current = revalidate;
  useEffect(() => {
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!own) return;
    setZone(own);
    if (own === initial) return;
    document.cookie = `${TIME_ZONE_COOKIE}=${encodeURIComponent(own)}; Path=/; Max-Age=${YEAR_SECONDS}; SameSite=Lax`;
    latest.current();
  }, [initial]);
  return <TimeZoneContext.Provider value={zone}>{children}</TimeZoneContext.Provider>;
}

/** The zone that times are written in. */
export function useTimeZone(): string {
  return useContext(TimeZoneContext);
}
