import { useCallback, useEffect, useRef, useState } from "react";
import type { DeploymentLogLine, LogView } from "~/presenters/deployments/views";

export type LogLines = {
  lines: readonly DeploymentLogLine[];
  /** Lines of the phase that are older than the first one loaded. */
  earlier: number;
  loading: boolean;
  loadEarlier: () => Promise<void>;
};

/** A range that takes longer than this many answers is read from the file instead. */
const MOST_ANSWERS = 20;

/**
 * Keeps what was loaded while the page is read again: new lines are added, none are lost when more arrived between two
 * reads than one read carries. `url`: the log as JSON.
 */
export function useLogLines(log: LogView, url: string): LogLines {
  const [lines, setLines] = useState<readonly DeploymentLogLine[]>(log.lines);
  const [loading, setLoading] = useState(false);
  const [earlier, setEarlier] = useState(log.total - log.lines.length);
  const known = useRef({ lines, earlier });
  known.current = { lines, earlier };

  const adopt = useCallback((next: readonly DeploymentLogLine[], total: number) => {
    setLines(next);
    setEarlier(Math.max(0, total - next.length));
  }, []);

  useEffect(() => {
    const before = known.current;
    const last = before.lines.at(-1);
    const fresh = log.lines.filter((line) => line.seq > (last?.seq ?? 0));
    const first = fresh[0];
    if (!first) return;
    const merged = [...before.lines, ...fresh];
    const isWhole = !last || merged.length + before.earlier >= log.total;
    if (isWhole) return adopt(merged, log.total);
    void readRange(url, log.step, { after: last.seq, before: first.seq }).then((gap) => {
      const now = known.current.lines;
      adopt(mergeLines(now, [...gap, ...fresh]), log.total);
    });
  }, [log, url, adopt]);

  const loadEarlier = useCallback(async () => {
    const first = known.current.lines[0];
    if (!first || known.current.earlier === 0) return;
    setLoading(true);
    const older = await readRange(url, log.step, { after: 0, before: first.seq });
    setLines(mergeLines(older, known.current.lines));
    setEarlier(0);
    setLoading(false);
  }, [url, log.step]);
  return { lines, earlier, loading, loadEarlier };
}

/** Both in order, each line once. */
export function mergeLines(a: readonly DeploymentLogLine[], b: readonly DeploymentLogLine[]): DeploymentLogLine[] {
  const bySeq = new Map([...a, ...b].map((line) => [line.seq, line]));
  return [...bySeq.values()].sort((x, y) => x.seq - y.seq);
}

type Range = { after: number; before: number };

async function readRange(url: string, step: string, range: Range): Promise<DeploymentLogLine[]> {
  const all: DeploymentLogLine[] = [];
  let { after } = range;
  for (let i = 0; i < MOST_ANSWERS; i++) {
    const answer = await fetch(`${url}?step=${step}&after=${after}&before=${range.before}`).catch(() => null);
    if (!answer?.ok) break;
    const { lines, more } = (await answer.json()) as { lines: DeploymentLogLine[]; more: boolean };
    all.push(...lines);
    after = lines.at(-1)?.seq ?? after;
    if (!more) break;
  }
  return all;
}
