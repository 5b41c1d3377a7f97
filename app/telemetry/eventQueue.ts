/**
 * Events waiting for the database, bounded by bytes. When it is full the least valuable go first: logs, then partial
 * spans, then spans; within a kind the oldest of a lower kind make room, and an event with nothing below it is refused.
 */
import type { EventKind, EventRow } from "./types";

/** Lowest value first: the order of shedding. Taking goes the other way round. */
const SHED_ORDER: readonly EventKind[] = ["log", "partial", "span"];

export class EventQueue {
  readonly #lanes: Record<EventKind, Lane> = { log: new Lane(), partial: new Lane(), span: new Lane() };
  #bytes = 0;
  readonly dropped: Record<EventKind, number> = { log: 0, partial: 0, span: 0 };

  constructor(readonly maxBytes: number) {}

  get size(): number {
    return this.#lanes.log.size + this.#lanes.partial.size + this.#lanes.span.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds the event, or drops it or cheaper ones; never throws. */
  push(row: EventRow): void {
    if (!this.#makeRoom(row)) {
      this.dropped[row.kind]++;
      return;
    }
    this.#lanes[row.kind].push(row);
    this.#bytes += row.bytes;
  }

  /** Up to `maxRows` events of together about `maxBytes`, the most valuable first; empty when there are none. */
  take(maxRows: number, maxBytes: number): EventRow[] {
    const rows: EventRow[] = [];
    let bytes = 0;
    for (const kind of [...SHED_ORDER].reverse()) {
      while (rows.length < maxRows && bytes < maxBytes) {
        const row = this.#lanes[kind].shift();
        if (!row) break;
        rows.push(row);
        bytes += row.bytes;
      }
    }
    this.#bytes -= bytes;
    return rows;
  }

  #makeRoom(row: EventRow): boolean {
    for (const kind of SHED_ORDER) {
      if (this.#bytes + row.bytes <= this.maxBytes) return true;
      if (kind === row.kind) return false;
      this.#shed(kind, row.bytes);
    }
    return this.#bytes + row.bytes <= this.maxBytes;
  }

  #shed(kind: EventKind, needed: number): void {
    while (this.#bytes + needed > this.maxBytes) {
      const victim = this.#lanes[kind].shift();
      if (!victim) return;
      this.#bytes -= victim.bytes;
      this.dropped[kind]++;
    }
  }
}

/** First in, first out, without moving the rest on every shift. */
class Lane {
  #items: (EventRow | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(row: EventRow): void {
    this.#items.push(row);
  }

  shift(): EventRow | undefined {
    const row = this.#items[this.#head];
    if (!row) return undefined;
    this.#items[this.#head++] = undefined;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return row;
  }
}
