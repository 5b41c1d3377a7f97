import { useEffect, useRef, useState } from "react";

/** One interval serves every counter on the page; it runs only while something counts. */
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | null = null;
const TICK_MS = 500;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => listeners.forEach((call) => call()), TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0 || timer === null) return;
    clearInterval(timer);
    timer = null;
  };
}

/**
 * Milliseconds since the data of `asOf` (server time, epoch milliseconds) arrived, counting twice a second while `active`.
 * Measured from arrival, so a browser whose clock is wrong counts right.
 */
export function useElapsed(asOf: number, active: boolean): number {
  const arrival = useRef({ asOf, at: 0 });
  const [elapsed, setElapsed] = useState(0);
  useEffect(() => {
    arrival.current = { asOf, at: performance.now() };
    setElapsed(0);
    if (!active) return;
    return subscribe(() => setElapsed(performance.now() - arrival.current.at));
  }, [asOf, active]);
  return active ? elapsed : 0;
}
