import { useRevalidator } from "@remix-run/react";
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from "react";

/** `polling`: the stream could not be had twice, so the page reads again every 5 s and keeps trying. */
export type LiveMode = "off" | "live" | "paused" | "reconnecting" | "polling";
export type Live = {
  mode: LiveMode;
  pausedAt: number | null;
  /** Changes that arrived while paused. */
  changes: number;
  toggle: () => void;
  follow: (url: string) => () => void;
};

const LiveContext = createContext<Live>({
  mode: "off",
  pausedAt: null,
  changes: 0,
  toggle: () => undefined,
  follow: () => () => undefined,
});

/** Updates at most twice a second. */
const REFRESH_MS = 500;
const POLL_MS = 5_000;
const FAILURES_BEFORE_POLLING = 2;

/** Holds the page's one event stream: a change reads the loaders again. The stream carries no data. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const [url, setUrl] = useState<string | null>(null);
  const [connection, setConnection] = useState<"live" | "reconnecting" | "polling">("live");
  const [paused, setPaused] = useState<{ at: number; changes: number } | null>(null);
  const pausedNow = useRef(false);
  const refresh = useThrottledRefresh();

  const follow = useCallback((next: string) => {
    setUrl(next);
    return () => setUrl((current) => (current === next ? null : current));
  }, []);
  const toggle = useCallback(() => {
    pausedNow.current = !pausedNow.current;
    setPaused(pausedNow.current ? { at: Date.now(), changes: 0 } : null);
    if (!pausedNow.current) refresh();
  }, [refresh]);
  const onChange = useCallback(() => {
    if (pausedNow.current) setPaused((before) => before && { ...before, changes: before.changes + 1 });
    else refresh();
  }, [refresh]);

  useEffect(() => (url ? openStream(url, onChange, setConnection) : undefined), [url, onChange]);

  const value = useMemo<Live>(() => {
    const mode = url === null ? "off" : paused ? "paused" : connection;
    return { mode, pausedAt: paused?.at ?? null, changes: paused?.changes ?? 0, toggle, follow };
  }, [url, paused, connection, toggle, follow]);
  return <LiveContext.Provider value={value}>{children}</LiveContext.Provider>;
}

/** State and switch of the page's live updates. */
export function useLive(): Live {
  return useContext(LiveContext);
}

/** Follow a stream of change events while this component is on the page; null follows nothing. */
export function useFollow(url: string | null): void {
  const { follow } = useLive();
  useEffect(() => (url ? follow(url) : undefined), [follow, url]);
}

function useThrottledRefresh(): () => void {
  const { revalidate } = useRevalidator();
  const latest = useRef(revalidate);
  latest.current = revalidate;
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const lastAt = useRef(0);
  useEffect(() => {
    const onVisible = () => document.visibilityState === "visible" && latest.current();
    document.addEventListener("visibilitychange", onVisible);
    return () => {
      document.removeEventListener("visibilitychange", onVisible);
      if (timer.current) clearTimeout(timer.current);
    };
  }, []);
  return useCallback(() => {
    if (timer.current || document.visibilityState === "hidden") return;
    const wait = Math.max(0, lastAt.current + REFRESH_MS - performance.now());
    timer.current = setTimeout(() => {
      timer.current = null;
      lastAt.current = performance.now();
      latest.current();
    }, wait);
  }, []);
}

/** One stream with its fallbacks; returns the close. The server ends streams every minute with `recycle`. */
function openStream(url: string, onChange: () => void, report: (state: "live" | "reconnecting" | "polling") => void): () => void {
  let source: EventSource | null = null;
  let poll: ReturnType<typeof setInterval> | null = null;
  let failures = 0;
  let lostAt = false;
  const stopPolling = () => {
    if (poll) clearInterval(poll);
    poll = null;
  };
  const connect = () => {
    source?.close();
    source = new EventSource(url);
    source.addEventListener("open", () => {
      failures = 0;
      stopPolling();
      report("live");
      if (lostAt) onChange();
      lostAt = false;
    });
    source.addEventListener("change", onChange);
    source.addEventListener("recycle", connect);
    source.addEventListener("error", () => {
      failures += 1;
      lostAt = true;
      if (failures < FAILURES_BEFORE_POLLING) return report("reconnecting");
      report("polling");
      poll ??= setInterval(() => {
        onChange();
        if (source?.readyState === EventSource.CLOSED) connect();
      }, POLL_MS);
    });
  };
  connect();
  return () => {
    stopPolling();
    source?.close();
  };
}
