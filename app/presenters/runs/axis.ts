/** The shared time axis of a timeline: long stretches in which nothing works are folded to a fixed width. Pure. */
import { formatDuration } from "../../utils/format";
import type { Stretch, TimelineBar, TimelineFold, TimelineTick } from "../views";

type Interval = { from: number; to: number };
type Piece = Interval & { left: number; width: number; folded: boolean };
export type Axis = { from: number; to: number; pieces: Piece[]; folds: TimelineFold[]; ticks: TimelineTick[] };

/** Share of the total above which an idle stretch is folded, the width it gets, and what is too short to be worth it. */
const FOLD_ABOVE = 0.05;
const FOLD_WIDTH = 9.5;
const FOLD_MIN_MS = 5_000;
const MOST_FOLDS = 4;
const TICK_STEPS_MS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3, 60e3, 120e3, 300e3, 600e3, 1800e3, 3600e3, 7200e3, 21600e3, 86400e3,
];
/** Percent between two ticks below which their words would touch. */
const TICK_MIN_GAP = 16;
/** Percent that the time of day after a fold needs. */
const ROOM_FOR_A_TIME = 12;

/** Builds the axis over [from, to]; `busy` are the stretches in which a process works. */
export function buildAxis(span: Interval, busy: readonly Interval[], fold: boolean): Axis {
  const to = Math.max(span.to, span.from + 1);
  const gaps = fold ? idleGaps({ from: span.from, to }, busy) : [];
  const pieces = layOut({ from: span.from, to }, gaps);
  const folds = pieces
    .filter((piece) => piece.folded)
    .map((piece) => ({ left: piece.left, width: piece.width, label: formatDuration(piece.to - piece.from) }));
  return { from: span.from, to, pieces, folds, ticks: ticksOf(pieces) };
}

/** True when folding would change anything: otherwise the switch is not offered. */
export function hasFolds(span: Interval, busy: readonly Interval[]): boolean {
  return idleGaps(span, busy).length > 0;
}

/** Where a moment lies, in percent of the track. */
export function placeOf(axis: Axis, ms: number): number {
  const at = Math.min(Math.max(ms, axis.from), axis.to);
  const piece = axis.pieces.find((candidate) => at <= candidate.to) ?? axis.pieces.at(-1);
  if (!piece || piece.to === piece.from) return 0;
  return piece.left + ((at - piece.from) / (piece.to - piece.from)) * piece.width;
}

/** A stretch as a bar on this axis; an open one reaches its end. */
export function barOf(axis: Axis, stretch: Stretch, name: string): TimelineBar {
  const left = placeOf(axis, stretch.from);
  const right = placeOf(axis, stretch.to ?? axis.to);
  const length = formatDuration((stretch.to ?? axis.to) - stretch.from, 2);
  return { tone: stretch.tone, left: round(left), width: round(Math.max(0, right - left)), title: `${name} ${length}` };
}

/** Longest first, each judged against what is left: after a wait of half an hour is folded, one of a minute is long too. */
function idleGaps(span: Interval, busy: readonly Interval[]): Interval[] {
  const gaps = idleStretches(span, busy);
  const chosen = new Set<Interval>();
  let leftMs = span.to - span.from;
  for (const gap of [...gaps].sort((a, b) => lengthOf(b) - lengthOf(a)).slice(0, MOST_FOLDS)) {
    const length = lengthOf(gap);
    if (length <= Math.max(FOLD_MIN_MS, leftMs * FOLD_ABOVE) || length >= leftMs) break;
    chosen.add(gap);
    leftMs -= length;
  }
  return gaps.filter((gap) => chosen.has(gap));
}

function idleStretches(span: Interval, busy: readonly Interval[]): Interval[] {
  const gaps: Interval[] = [];
  let at = span.from;
  for (const interval of [...busy].sort((a, b) => a.from - b.from)) {
    if (interval.from > at) gaps.push({ from: at, to: interval.from });
    at = Math.max(at, interval.to);
  }
  if (span.to > at) gaps.push({ from: at, to: span.to });
  return gaps;
}

function lengthOf(interval: Interval): number {
  return interval.to - interval.from;
}

function layOut(span: Interval, gaps: readonly Interval[]): Piece[] {
  const openMs = span.to - span.from - gaps.reduce((sum, gap) => sum + gap.to - gap.from, 0);
  const openWidth = 100 - gaps.length * FOLD_WIDTH;
  const pieces: Piece[] = [];
  let left = 0;
  const push = (from: number, to: number, folded: boolean) => {
    if (to <= from) return;
    const width = folded ? FOLD_WIDTH : ((to - from) / openMs) * openWidth;
    pieces.push({ from, to, left, width, folded });
    left += width;
  };
  let at = span.from;
  for (const gap of gaps) {
    push(at, gap.from, false);
    push(gap.from, gap.to, true);
    at = gap.to;
  }
  push(at, span.to, false);
  return pieces;
}

/** The start as a time of day, then round steps along the first open piece, then the time of day after each fold. */
function ticksOf(pieces: readonly Piece[]): TimelineTick[] {
  const ticks: TimelineTick[] = [];
  pieces.forEach((piece, i) => {
    if (piece.folded) return;
    if (i === 0 || piece.width >= ROOM_FOR_A_TIME) ticks.push({ left: round(piece.left), label: { at: piece.from } });
    if (i === 0) ticks.push(...stepsOf(piece));
  });
  return ticks;
}

function stepsOf(piece: Piece): TimelineTick[] {
  const perMs = piece.width / (piece.to - piece.from);
  const step = TICK_STEPS_MS.find((candidate) => candidate * perMs >= TICK_MIN_GAP);
  if (!step) return [];
  const out: TimelineTick[] = [];
  for (let k = 1; piece.left + k * step * perMs < piece.left + piece.width - 6; k++) {
    out.push({ left: round(piece.left + k * step * perMs), label: { plus: `+${stepLabel(k * step)}` } });
  }
  return out;
}

function stepLabel(ms: number): string {
  if (ms < 1_000) return `${ms} ms`;
  return ms < 60_000 ? `${ms / 1_000} s` : formatDuration(ms);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
