import { createContext, useContext, useEffect, useState, type ReactNode } from "react";

const TimeZoneContext = createContext("UTC");

/** Cookie in which the browser's time zone reaches the server, so that the first paint already has local times. */
export const TIME_ZONE_COOKIE = "sluice_tz";
const YEAR_SECONDS = 31_536_000;

/** Gives times below it the reader's zone: the cookie's, then the browser's own once it runs. */
export function TimeZoneProvider({ initial, children }: { initial: string; children: ReactNode }) {
  const [zone, setZone] = useState(initial);
  useEffect(() => {
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!own) return;
    if (own !== initial) document.cookie = `${TIME_ZONE_COOKIE}=${encodeURIComponent(own)}; Path=/; Max-Age=${YEAR_SECONDS}; SameSite=Lax`;
    setZone(own);
  }, [initial]);
  return <TimeZoneContext.Provider value={zone}>{children}</TimeZoneContext.Provider>;
}

/** The zone that times are written in. */
export function useTimeZone(): string {
  return useContext(TimeZoneContext);
}
