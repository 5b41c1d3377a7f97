/**
 * A run's snapshots as a byte string: one record per transition, so that a snapshot costs about six bytes instead of a
 * row. A record is state (1 byte), flags (1 byte) and the milliseconds since the run was created as a varint: counting
 * from the creation lets the writer make a record without having read the one before.
 */
import { EXECUTION_STATES, stateName, type ExecutionState } from "./runStates";
import type { Transition } from "./runStore";

/** The record began an attempt. */
const STARTS_ATTEMPT = 1;
/** First byte of a record that stands for dropped ones; its varints are their number and the attempts among them. */
const GAP = 0xff;

/** More records than this are cut, the middle first. */
export const HISTORY_CAP = 200;
const KEEP_FIRST = 50;
const KEEP_LAST = 100;

type Entry =
  | { kind: "record"; bytes: Buffer; state: number; flags: number; sinceCreatedMs: number }
  | { kind: "gap"; dropped: number; attempts: number };

/** One record. `createdMs` and `nowMs` in epoch milliseconds; a clock behind the id counts as zero. */
export function historyRecord(state: ExecutionState, createdMs: number, nowMs: number, startsAttempt = false): Buffer {
  const bytes = [EXECUTION_STATES[state], startsAttempt ? STARTS_ATTEMPT : 0];
  pushVarint(bytes, Math.max(0, Math.round(nowMs - createdMs)));
  return Buffer.from(bytes);
}

/**
 * The transitions in `history`, oldest first. `lastSeq` is the run's current seq: records are numbered back from it.
 * Dropped ones are absent. Throws on bytes that no release wrote.
 */
export function decodeHistory(history: Buffer, createdMs: number, lastSeq: number): Transition[] {
  const entries = parse(history);
  let seq = lastSeq - entries.reduce((sum, entry) => sum + (entry.kind === "gap" ? entry.dropped : 1), 0);
  let attempt = 0;
  const out: Transition[] = [];
  for (const entry of entries) {
    if (entry.kind === "gap") {
      seq += entry.dropped;
      attempt += entry.attempts;
      continue;
    }
    seq += 1;
    if (entry.flags & STARTS_ATTEMPT) attempt += 1;
    out.push({ seq, state: stateName(entry.state), at: new Date(createdMs + entry.sinceCreatedMs), attempt });
  }
  return out;
}

/** `history` with its middle dropped when it holds more than `HISTORY_CAP` records, else the same buffer. */
export function compactHistory(history: Buffer): Buffer {
  const entries = parse(history);
  if (entries.length <= HISTORY_CAP) return history;
  const middle = entries.slice(KEEP_FIRST, entries.length - KEEP_LAST);
  let dropped = 0;
  let attempts = 0;
  for (const entry of middle) {
    dropped += entry.kind === "gap" ? entry.dropped : 1;
    attempts += entry.kind === "gap" ? entry.attempts : entry.flags & STARTS_ATTEMPT;
  }
  const gap = [GAP];
  pushVarint(gap, dropped);
  pushVarint(gap, attempts);
  return Buffer.concat([...recordBytes(entries.slice(0, KEEP_FIRST)), Buffer.from(gap), ...recordBytes(entries.slice(-KEEP_LAST))]);
}

/** Bytes above which a history is looked at: a record made 16 s to 35 min after the creation has five. */
export const COMPACT_ABOVE_BYTES = HISTORY_CAP * 5;

function recordBytes(entries: readonly Entry[]): Buffer[] {
  return entries.map((entry) => {
    if (entry.kind === "record") return entry.bytes;
    const bytes = [GAP];
    pushVarint(bytes, entry.dropped);
    pushVarint(bytes, entry.attempts);
    return Buffer.from(bytes);
  });
}

function parse(history: Buffer): Entry[] {
  const entries: Entry[] = [];
  let at = 0;
  while (at < history.length) {
    const first = byteAt(history, at);
    if (first === GAP) {
      const dropped = readVarint(history, at + 1);
      const attempts = readVarint(history, dropped.next);
      entries.push({ kind: "gap", dropped: dropped.value, attempts: attempts.value });
      at = attempts.next;
      continue;
    }
    const time = readVarint(history, at + 2);
    entries.push({
      kind: "record",
      bytes: history.subarray(at, time.next),
      state: first,
      flags: byteAt(history, at + 1),
      sinceCreatedMs: time.value,
    });
    at = time.next;
  }
  return entries;
}

function pushVarint(bytes: number[], value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
}

function readVarint(bytes: Buffer, start: number): { value: number; next: number } {
  let value = 0;
  let factor = 1;
  for (let at = start; ; at++) {
    const byte = byteAt(bytes, at);
    value += (byte % 0x80) * factor;
    if (byte < 0x80) return { value, next: at + 1 };
    factor *= 0x80;
  }
}

function byteAt(bytes: Buffer, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new Error(`A run history ends inside a record at byte ${at} of ${bytes.length}.`);
  return byte;
}
