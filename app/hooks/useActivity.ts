import { useEffect, useState } from "react";
import type { ShellActivity } from "~/presenters/shellView";
import { useLive } from "./live";

const EVERY_MS = 5_000;

/** Counts of the environment: as the server rendered them, then read again every few seconds while somebody looks. */
export function useActivity(envId: string | null, rendered: ShellActivity | null): ShellActivity | null {
  const [read, setRead] = useState<{ of: ShellActivity | null; activity: ShellActivity } | null>(null);
  const isPaused = useLive().mode === "paused";
  useEffect(() => {
    if (envId === null || isPaused) return undefined;
    const ended = new AbortController();
    const timer = setInterval(() => {
      if (document.visibilityState === "hidden") return;
      void readActivity(envId, ended.signal).then((activity) => activity && setRead({ of: rendered, activity }));
    }, EVERY_MS);
    return () => {
      clearInterval(timer);
      ended.abort();
    };
  }, [envId, rendered, isPaused]);
  return read?.of === rendered ? read.activity : rendered;
}

/** Null when it could not be read: what is shown stays. */
async function readActivity(envId: string, signal: AbortSignal): Promise<ShellActivity | null> {
  try {
    const answer = await fetch(`/resources/envs/${encodeURIComponent(envId)}/activity`, { signal });
    return answer.ok ? ((await answer.json()) as ShellActivity) : null;
  } catch {
    return null;
  }
}
