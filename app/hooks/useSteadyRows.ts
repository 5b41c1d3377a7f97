import { useCallback, useEffect, useRef, useState } from "react";
import type { RunRow } from "~/presenters/views";

export type SteadyRows = {
  rows: readonly RunRow[];
  /** Newer runs that wait to be shown. */
  fresh: number;
  showFresh: () => void;
  /** Ids whose status changed with the last update, for the one fade. */
  changed: ReadonlySet<string>;
};

const NOTHING: ReadonlySet<string> = new Set();
const MOST_REFRESHED = 50;

/**
 * Rows change in place and never move under the reader. While `hold` is true (scrolled, focused, selected) newer runs
 * are counted instead of shown; rows that newer ones pushed off the server's page are read again from `refreshUrl`.
 * `listKey` names the list: another one is shown at once.
 */
export function useSteadyRows(incoming: readonly RunRow[], listKey: string, hold: () => boolean, refreshUrl: string): SteadyRows {
  const [shown, setShown] = useState({ key: listKey, rows: incoming });
  const [fresh, setFresh] = useState(0);
  const [changed, setChanged] = useState(NOTHING);
  const latest = useRef({ shown, incoming });
  latest.current = { shown, incoming };

  const adopt = useCallback((key: string, rows: readonly RunRow[]) => {
    setChanged(statusChanges(latest.current.shown.rows, rows));
    setShown({ key, rows });
  }, []);

  useEffect(() => {
    const { shown: before } = latest.current;
    if (before.rows === incoming) return;
    if (before.key !== listKey || !hold()) {
      setFresh(0);
      adopt(listKey, incoming);
      return;
    }
    setFresh(countFresh(before.rows, incoming));
    adopt(listKey, inPlace(before.rows, incoming));
    void refreshMissing(before.rows, incoming, refreshUrl).then((rows) => {
      if (rows.length > 0 && latest.current.shown.key === listKey) adopt(listKey, inPlace(latest.current.shown.rows, rows));
    });
  }, [incoming, listKey, hold, refreshUrl, adopt]);

  const showFresh = useCallback(() => {
    setFresh(0);
    adopt(listKey, latest.current.incoming);
  }, [listKey, adopt]);
  const rows = shown.key === listKey ? shown.rows : incoming;
  return { rows, fresh, showFresh, changed };
}

/** The rows as they stand, each with its newest data. */
export function inPlace(shown: readonly RunRow[], incoming: readonly RunRow[]): RunRow[] {
  const byId = new Map(incoming.map((row) => [row.id, row]));
  return shown.map((row) => byId.get(row.id) ?? row);
}

/** Incoming rows newer than everything shown. */
export function countFresh(shown: readonly RunRow[], incoming: readonly RunRow[]): number {
  const newest = shown[0]?.createdAt ?? 0;
  const known = new Set(shown.map((row) => row.id));
  return incoming.filter((row) => !known.has(row.id) && row.createdAt >= newest).length;
}

function statusChanges(before: readonly RunRow[], after: readonly RunRow[]): ReadonlySet<string> {
  const old = new Map(before.map((row) => [row.id, row.status]));
  return new Set(after.filter((row) => old.has(row.id) && old.get(row.id) !== row.status).map((row) => row.id));
}

async function refreshMissing(shown: readonly RunRow[], incoming: readonly RunRow[], url: string): Promise<RunRow[]> {
  const there = new Set(incoming.map((row) => row.id));
  const missing = shown.filter((row) => !row.final && !there.has(row.id)).slice(0, MOST_REFRESHED);
  if (missing.length === 0) return [];
  const answer = await fetch(`${url}?ids=${missing.map((row) => row.id).join(",")}`).catch(() => null);
  if (!answer?.ok) return [];
  return ((await answer.json()) as { rows: RunRow[] }).rows;
}
