import { ArrowDown, Ban, RotateCw } from "lucide-react";
import { useCallback, useMemo, useRef, useState } from "react";
import { FormToken } from "~/components/ui/forms";
import { NoRows, PageLinks } from "~/components/ui/Paging";
import { Time } from "~/components/ui/Time";
import { useHotkeys } from "~/hooks/useHotkeys";
import { useSteadyRows } from "~/hooks/useSteadyRows";
import type { FiltersView } from "~/presenters/runs/runFilters";
import type { RunRow } from "~/presenters/views";
import { plural } from "~/utils/format";
import { RunsFilters } from "./RunsFilters";
import { RunsTable } from "./RunsTable";

export type RunsListProps = {
  rows: readonly RunRow[];
  asOf: number;
  filters: FiltersView;
  /** Hrefs of the neighbouring pages; null at the ends. */
  newerHref: string | null;
  olderHref: string | null;
  refreshUrl: string;
};

const FORM_ID = "selected-runs";
const ROW_LINKS = "[data-row-link]";

/** Filters, table and paging footer. Rows change in place; keys move, select and open. */
export function RunsList({ rows, asOf, filters, newerHref, olderHref, refreshUrl }: RunsListProps) {
  const list = useRef<HTMLDivElement>(null);
  const [selected, setSelected] = useState(0);
  const countSelected = useCallback(() => setSelected(list.current?.querySelectorAll("tbody .check:checked").length ?? 0), []);
  const hold = useCallback(() => isHeld(list.current), []);
  const listKey = `${filters.key}|${newerHref ?? ""}|${olderHref === null}`;
  const steady = useSteadyRows(rows, newerHref === null ? filters.key : listKey, hold, refreshUrl);
  useRowKeys(list, countSelected);
  return (
    <div ref={list} className="contents">
      <RunsFilters filters={filters}>
        <span className="grow hide-sm" />
        <SelectionActions selected={selected} />
        {steady.fresh > 0 ? (
          <button type="button" className="fresh" onClick={steady.showFresh}>
            <ArrowDown className="i xs" aria-hidden="true" />
            {steady.fresh >= rows.length ? `${rows.length}+ new` : `${steady.fresh} new`}
          </button>
        ) : null}
      </RunsFilters>
      {steady.rows.length === 0 ? (
        <NoRows noun="run" filters={filters} />
      ) : (
        <RunsTable
          rows={steady.rows}
          asOf={asOf}
          changed={steady.changed}
          formId={FORM_ID}
          caption="Runs, newest first"
          selected={selected}
          onSelect={countSelected}
        />
      )}
      <span className="grow" />
      <Pager rows={steady.rows} asOf={asOf} newerHref={newerHref} olderHref={olderHref} />
    </div>
  );
}

/** Always on the page and shown by CSS once a box is ticked, so that it works without JavaScript. */
function SelectionActions({ selected }: { selected: number }) {
  return (
    <form method="post" id={FORM_ID} className="bulk hide-sm" aria-label="Selected runs">
      <FormToken />
      {selected > 0 ? <span className="meta soft">{selected} selected</span> : null}
      <button type="submit" name="intent" value="replay-selected" className="btn sm">
        <RotateCw className="i xs" aria-hidden="true" />
        Replay
      </button>
      <button type="submit" name="intent" value="cancel-selected" className="btn sm danger">
        <Ban className="i xs" aria-hidden="true" />
        Cancel
      </button>
    </form>
  );
}

type PagerProps = { rows: readonly RunRow[]; asOf: number; newerHref: string | null; olderHref: string | null };

/** What is shown, the keys, and the neighbours. No page numbers and no totals: both would need a count of everything. */
export function Pager({ rows, asOf, newerHref, olderHref }: PagerProps) {
  const newest = rows[0];
  const oldest = rows.at(-1);
  return (
    <footer className="pager">
      <span className="num cut">
        {plural(rows.length, "run")}
        {newest && oldest ? (
          <span className="hide-sm">
            , <Time ms={oldest.createdAt} nowMs={asOf} /> to <Time ms={newest.createdAt} nowMs={asOf} />
          </span>
        ) : null}
      </span>
      <span className="hide-sm row" aria-hidden="true">
        <span className="kbd">j</span>
        <span className="kbd">k</span> move <span className="kbd">x</span> select <span className="kbd">↵</span> open
      </span>
      <span className="grow" />
      <PageLinks noun="run" newerHref={newerHref} olderHref={olderHref} />
    </footer>
  );
}

/** New runs wait while the reader is somewhere in the list: scrolled, with a row in focus, or with rows selected. */
function isHeld(list: HTMLElement | null): boolean {
  if (!list) return false;
  const table = list.querySelector("table");
  return window.scrollY > 0 || Boolean(table?.contains(document.activeElement)) || list.querySelector("tbody .check:checked") !== null;
}

function useRowKeys(list: React.RefObject<HTMLElement>, onSelect: () => void): void {
  const handlers = useMemo(() => {
    const move = (by: number) => {
      const links = [...(list.current?.querySelectorAll<HTMLElement>(ROW_LINKS) ?? [])];
      const row = document.activeElement?.closest("tr");
      const at = links.findIndex((link) => row?.contains(link));
      links[at < 0 ? 0 : Math.min(Math.max(at + by, 0), links.length - 1)]?.focus();
    };
    return {
      j: () => move(1),
      k: () => move(-1),
      x: () => {
        const box = document.activeElement?.closest("tr")?.querySelector<HTMLInputElement>(".check");
        if (!box) return;
        box.checked = !box.checked;
        onSelect();
      },
      f: () => {
        const adder = list.current?.querySelector<HTMLDetailsElement>("details.adder");
        if (!adder) return;
        adder.open = true;
        adder.querySelector<HTMLElement>(".pop a, .pop input")?.focus();
      },
    };
  }, [list, onSelect]);
  useHotkeys(handlers);
}
