import { useNavigation, useRevalidator } from "@remix-run/react";
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

/** Updates at most twice a second; only what is waited for, such as the next phase of a deployment, comes at once. */
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
  const onChange = useCallback(
    (urgent: boolean) => {
      if (pausedNow.current) setPaused((before) => before && { ...before, changes: before.changes + 1 });
      else refresh(urgent);
    },
    [refresh]
  );

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

/**
 * Reads the page again, at most twice a second unless it is urgent. Never while it is being read: a second reading would
 * break off the first, and a page whose reading takes longer than the changes are apart would never change.
 */
function useThrottledRefresh(): (urgent?: boolean) => void {
  const { revalidate, state } = useRevalidator();
  const isBusy = useNavigation().state !== "idle" || state !== "idle";
  const latest = useRef({ revalidate, isBusy });
  latest.current = { revalidate, isBusy };
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const isOwed = useRef(false);
  const lastAt = useRef(0);
  const run = useCallback(() => {
    if (timer.current) clearTimeout(timer.current);
    timer.current = null;
    isOwed.current = latest.current.isBusy;
    if (isOwed.current) return;
    lastAt.current = performance.now();
    latest.current.isBusy = true;
    latest.current.revalidate();
  }, []);
  useEffect(() => {
    if (!isBusy && isOwed.current) run();
  }, [isBusy, run]);
  useEffect(() => {
    const onVisible = () => document.visibilityState === "visible" && run();
    document.addEventListener("visibilitychange", onVisible);
    return () => {
      document.removeEventListener("visibilitychange", onVisible);
      if (timer.current) clearTimeout(timer.current);
    };
  }, [run]);
  return useCallback(
    (urgent = false) => {
      if (document.visibilityState === "hidden") return;
      if (urgent) return run();
      timer.current ??= setTimeout(run, Math.max(0, lastAt.current + REFRESH_MS - performance.now()));
    },
    [run]
  );
}

/** One stream with its fallbacks; returns the close. The server ends streams every minute with `recycle`. */
function openStream(
  url: string,
  onChange: (urgent: boolean) => void,
  report: (state: "live" | "reconnecting" | "polling") => void
): () => void {
  let source: EventSource | null = null;
  let poll: ReturnType<typeof setInterval> | null = null;
  let failures = 0;
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
      // What changed between the reading of the page and this moment was told to nobody.
      onChange(false);
    });
    source.addEventListener("change", () => onChange(false));
    source.addEventListener("change-now", () => onChange(true));
    source.addEventListener("recycle", connect);
    source.addEventListener("error", () => {
      failures += 1;
      if (failures < FAILURES_BEFORE_POLLING) return report("reconnecting");
      report("polling");
      poll ??= setInterval(() => {
        onChange(false);
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
