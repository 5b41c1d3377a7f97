import { ArrowDown, Download, WrapText } from "lucide-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { CopyButton } from "~/components/ui/CopyButton";
import { useLogLines } from "~/hooks/useLogLines";
import { plainText } from "~/utils/ansi";
import type { DeploymentLogLine, LogView } from "~/presenters/deployments/views";
import { formatCount, plural } from "~/utils/format";
import { LogLines, logRows, type LogRow } from "./LogLines";

type Props = {
  log: LogView;
  title: string;
  /** The log as JSON (`?step=&after=&before=`) and as a file (`?step=&format=text`). */
  href: string;
  /** Lines still arrive. */
  live: boolean;
};
type Filter = "all" | "warn" | "error";

/** Above this many rows only those in sight are drawn, and lines are not wrapped: all rows have one height then. */
const VIRTUAL_ABOVE = 500;
const ROW_PX = 19;
const SPARE_ROWS = 30;
const NEAR_END_PX = 24;

/** Lines of one phase: follow, wrap, only warnings or errors, copy, download. Without JavaScript the lines and the file. */
export function LogViewer({ log, title, href, live }: Props) {
  const [alive, setAlive] = useState(false);
  const [filter, setFilter] = useState<Filter>("all");
  const [wrap, setWrap] = useState(false);
  const { lines, earlier, loading, loadEarlier } = useLogLines(log, href);
  useEffect(() => setAlive(true), []);
  const shown = useMemo(() => (filter === "all" ? lines : lines.filter((line) => line.level === filter)), [lines, filter]);
  const rows = useMemo(() => logRows(shown), [shown]);
  const virtual = rows.length > VIRTUAL_ABOVE;
  const marked = lines.find((line) => line.level === "error")?.seq ?? null;
  const scroll = useLogScroll(rows, { live, marked, firstSeq: log.firstSeq, loadEarlier });
  const window = useWindow(scroll.box, rows, virtual);
  const fileHref = `${href}?step=${log.step}&format=text`;
  return (
    <div className={lookOf(virtual, wrap)}>
      <header>
        <span className="meta soft num">{rangeText(shown, log)}</span>
        <span className="grow" />
        {alive ? <Tools log={log} filter={filter} onFilter={setFilter} /> : null}
        {alive ? <WrapButton wrap={wrap} virtual={virtual} onToggle={() => setWrap(!wrap)} /> : null}
        <a className="btn sm ghost" href={fileHref} download>
          <Download className="i xs" aria-hidden="true" />
          Download
        </a>
        {alive ? <CopyButton text={copyText(shown)} what={`log of ${title}`} look="text" /> : null}
        {alive && live ? <FollowButton following={scroll.following} onToggle={scroll.toggle} /> : null}
      </header>
      <div className="lines" ref={scroll.box} onScroll={scroll.onScroll} tabIndex={0} role="region" aria-label={`Log of ${title}`}>
        {earlier > 0 ? <Earlier count={earlier} loading={loading} alive={alive} fileHref={fileHref} onLoad={loadEarlier} /> : null}
        <LogLines {...window} label={`${title} log`} marked={marked} />
        {scroll.fresh > 0 ? <NewLines count={scroll.fresh} onShow={scroll.toggle} /> : null}
      </div>
    </div>
  );
}

function lookOf(virtual: boolean, wrap: boolean): string {
  if (virtual) return "dlog virtual";
  return wrap ? "dlog wrap" : "dlog";
}

function WrapButton({ wrap, virtual, onToggle }: { wrap: boolean; virtual: boolean; onToggle: () => void }) {
  return (
    <button
      type="button"
      className="btn sm ghost hide-sm"
      aria-pressed={wrap && !virtual}
      disabled={virtual}
      title={virtual ? "Logs of more than 500 rows are not wrapped. Download the log to read it wrapped." : undefined}
      onClick={onToggle}
    >
      <WrapText className="i xs" aria-hidden="true" />
      Wrap
    </button>
  );
}

function FollowButton({ following, onToggle }: { following: boolean; onToggle: () => void }) {
  return (
    <button type="button" className="btn sm" aria-pressed={following} onClick={onToggle}>
      <ArrowDown className="i xs" aria-hidden="true" />
      {following ? "Following" : "Follow"}
    </button>
  );
}

function NewLines({ count, onShow }: { count: number; onShow: () => void }) {
  return (
    <button type="button" className="fresh newlines" onClick={onShow}>
      <ArrowDown className="i xs" aria-hidden="true" />
      {plural(count, "new line")}
    </button>
  );
}

function rangeText(shown: readonly DeploymentLogLine[], log: LogView): string {
  const [first, last] = [shown[0], shown.at(-1)];
  if (!first || !last) return "No such lines";
  return `Lines ${formatCount(first.seq)} to ${formatCount(last.seq)}, ${formatCount(log.total)} in this phase`;
}

function copyText(lines: readonly DeploymentLogLine[]): string {
  return lines.map((line) => line.text.split("\n").map(plainText).join("\n")).join("\n");
}

function Tools({ log, filter, onFilter }: { log: LogView; filter: Filter; onFilter: (filter: Filter) => void }) {
  const choices: { name: Filter; label: string }[] = [
    { name: "all", label: "All" },
    { name: "warn", label: `Warnings ${formatCount(log.warnings)}` },
    { name: "error", label: `Errors ${formatCount(log.errors)}` },
  ];
  return (
    <span className="seg" role="group" aria-label="Lines to show">
      {choices.map((choice) => (
        <button key={choice.name} type="button" aria-pressed={filter === choice.name} onClick={() => onFilter(choice.name)}>
          {choice.label}
        </button>
      ))}
    </span>
  );
}

type EarlierProps = { count: number; loading: boolean; alive: boolean; fileHref: string; onLoad: () => Promise<void> };

function Earlier({ count, loading, alive, fileHref, onLoad }: EarlierProps) {
  return (
    <div className="earlier meta muted">
      <span>{plural(count, "earlier line")}</span>
      {alive ? (
        <button type="button" className="link" disabled={loading} onClick={() => void onLoad()}>
          {loading ? "Loading…" : "Load them"}
        </button>
      ) : (
        <a className="link" href={fileHref}>
          Read them in the file
        </a>
      )}
    </div>
  );
}

type ScrollInput = { live: boolean; marked: number | null; firstSeq: number; loadEarlier: () => Promise<void> };

/** Follow goes off when the reader scrolls up, and on again with the button. A link to a line wins over both. */
function useLogScroll(rows: readonly LogRow[], { live, marked, firstSeq, loadEarlier }: ScrollInput) {
  const box = useRef<HTMLDivElement>(null);
  const [following, setFollowing] = useState(live);
  const [seen, setSeen] = useState(rows.length);
  const scrolledTo = useRef(0);

  useEffect(() => {
    if (!following) return;
    setSeen(rows.length);
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [rows.length, following]);

  useEffect(() => {
    const linked = linkedLine(firstSeq);
    const target = linked ?? marked;
    const at = rows.findIndex((row) => row.line.seq === target);
    if (linked !== null) setFollowing(false);
    if (linked !== null && at < 0) void loadEarlier();
    if (box.current && at >= 0 && (linked !== null || !live)) box.current.scrollTop = Math.max(0, topOf(box.current, target, at) - 60);
    // Once, when the log appears: later the reader decides.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, []);

  const onScroll = useCallback(() => {
    const element = box.current;
    if (!element) return;
    const up = element.scrollTop < scrolledTo.current;
    const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END_PX;
    scrolledTo.current = element.scrollTop;
    if (up && !atEnd) setFollowing(false);
  }, []);
  const toggle = useCallback(() => setFollowing((before) => !before), []);
  return { box, following, fresh: live && !following ? Math.max(0, rows.length - seen) : 0, onScroll, toggle };
}

/** The line that the address names, when it is one of this log. */
function linkedLine(firstSeq: number): number | null {
  const seq = Number(/^#L(\d+)$/.exec(location.hash)?.[1] ?? Number.NaN);
  return seq >= firstSeq ? seq : null;
}

/** Where a line stands; of one that is not drawn it follows from its place. */
function topOf(box: HTMLElement, seq: number | null, at: number): number {
  return box.querySelector<HTMLElement>(`#L${seq}`)?.offsetTop ?? at * ROW_PX;
}

type Window = { rows: readonly LogRow[]; padTop: number; padBottom: number };

/** The rows in sight and a few around them; all of them when there are not many. */
function useWindow(box: React.RefObject<HTMLDivElement>, rows: readonly LogRow[], virtual: boolean): Window {
  const [from, setFrom] = useState(() => Math.max(0, rows.length - VIRTUAL_ABOVE));
  const [count, setCount] = useState(VIRTUAL_ABOVE);
  useEffect(() => {
    const element = box.current;
    if (!virtual || !element) return;
    const measure = () => {
      setFrom(Math.max(0, Math.floor(element.scrollTop / ROW_PX) - SPARE_ROWS));
      setCount(Math.ceil(element.clientHeight / ROW_PX) + 2 * SPARE_ROWS);
    };
    measure();
    element.addEventListener("scroll", measure, { passive: true });
    return () => element.removeEventListener("scroll", measure);
  }, [box, virtual, rows.length]);
  if (!virtual) return { rows, padTop: 0, padBottom: 0 };
  const start = Math.min(from, Math.max(0, rows.length - count));
  const end = Math.min(rows.length, start + count);
  return { rows: rows.slice(start, end), padTop: start * ROW_PX, padBottom: (rows.length - end) * ROW_PX };
}
