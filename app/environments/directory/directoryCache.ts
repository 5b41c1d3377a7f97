/**
 * A bounded cache in front of the control plane. Reads of one key are shared while they run; a value read before an
 * invalidation is returned to its readers but never kept; an absent thing is remembered for a second only.
 */
import type { Clock } from "../../platform/clock";
import { withDeadline } from "../../platform/deadline";
import { errorMessage, type Logger } from "../../platform/logger";

/** Whether invalidations are known to arrive: see `ConfigChanges`. */
export type Freshness = {
  healthy(): boolean;
  /** Epoch milliseconds of the last proof that no change was missed. */
  lastProofAt(): number;
};

type Entry<V> = { value: V; loadedAt: number; retryAt: number };

export type DirectoryCacheOptions = { name: string; maxEntries: number; clock: Clock; freshness: Freshness; log: Logger };

/** Backstop: even while changes arrive, nothing is served longer than this without reading it again. */
const MAX_AGE_MS = 30_000;
/** Age from which entries are read again while changes may be missed. */
const MAX_AGE_UNPROVEN_MS = 500;
/** How long an entry may be served, counted from its last proof, while the database answers nobody. */
const MAX_STALE_MS = 30_000;
const NEGATIVE_AGE_MS = 1_000;
/** Absent things are kept apart, so that guesses at random keys cannot push out what is in use. */
const MAX_NEGATIVES = 1_000;
/** A reader with something to fall back on does not wait longer than this for a database that hangs. */
const READ_PATIENCE_MS = 1_000;

export class DirectoryCache<V extends object> {
  private readonly entries = new Map<string, Entry<V>>();
  /** Key to the time of the read that found nothing. */
  private readonly absent = new Map<string, number>();
  private readonly inFlight = new Map<string, Promise<V | null>>();
  private generation = 0;

  constructor(private readonly options: DirectoryCacheOptions) {}

  /** The value when it may be served right now; null when known to be absent; undefined when it must be read. */
  peek(key: string): V | null | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return this.isKnownAbsent(key) ? null : undefined;
    if (!this.isFresh(entry)) return undefined;
    // Order matters only when something may be evicted soon: most processes never pay for it.
    if (this.entries.size * 2 > this.options.maxEntries) this.touch(key, entry);
    return entry.value;
  }

  /** The value, read with `load` when needed. Throws what `load` threw when nothing recent is known. */
  async get(key: string, load: () => Promise<V | null>): Promise<V | null> {
    const cached = this.peek(key);
    if (cached !== undefined) return cached;
    const known = this.entries.get(key);
    const stale = known && this.isServable(known) ? known : undefined;
    const now = this.options.clock.now();
    if (stale && stale.retryAt > now) return stale.value;
    const reading = this.inFlight.get(key) ?? this.read(key, load);
    try {
      // A reading that takes longer goes on without us.
      return await (stale ? withDeadline(reading, READ_PATIENCE_MS) : reading);
    } catch (error) {
      this.options.log.warn("directory.read_failed", { cache: this.options.name, message: errorMessage(error), stale: Boolean(stale) });
      if (stale) {
        stale.retryAt = this.options.clock.now() + MAX_AGE_UNPROVEN_MS;
        return stale.value;
      }
      throw error;
    }
  }

  /** Forgets one key, and whatever is being read right now. */
  drop(key: string): void {
    this.entries.delete(key);
    this.absent.clear();
    this.generation++;
    this.inFlight.clear();
  }

  /** Forgets the keys that `matches` picks, and everything that was absent. */
  dropWhere(matches: (key: string, value: V) => boolean): void {
    for (const [key, entry] of this.entries) if (matches(key, entry.value)) this.entries.delete(key);
    this.absent.clear();
    this.generation++;
    this.inFlight.clear();
  }

  clear(): void {
    this.dropWhere(() => true);
  }

  get size(): number {
    return this.entries.size;
  }

  private read(key: string, load: () => Promise<V | null>): Promise<V | null> {
    const generation = this.generation;
    // Counted from before the read: the value is at least as old as that.
    const loadedAt = this.options.clock.now();
    const reading = load()
      .then((value) => {
        if (this.generation === generation) this.store(key, value, loadedAt);
        return value;
      })
      .finally(() => {
        if (this.inFlight.get(key) === reading) this.inFlight.delete(key);
      });
    this.inFlight.set(key, reading);
    return reading;
  }

  private store(key: string, value: V | null, loadedAt: number): void {
    if (value === null) {
      this.entries.delete(key);
      this.absent.set(key, loadedAt);
      if (this.absent.size > MAX_NEGATIVES) dropOldest(this.absent);
      return;
    }
    this.absent.delete(key);
    this.touch(key, { value, loadedAt, retryAt: 0 });
    if (this.entries.size > this.options.maxEntries) dropOldest(this.entries);
  }

  /** Moves the entry to the young end: a Map keeps the order of insertion. */
  private touch(key: string, entry: Entry<V>): void {
    this.entries.delete(key);
    this.entries.set(key, entry);
  }

  private isFresh(entry: Entry<V>): boolean {
    const age = this.options.clock.now() - entry.loadedAt;
    return age < (this.options.freshness.healthy() ? MAX_AGE_MS : MAX_AGE_UNPROVEN_MS);
  }

  private isKnownAbsent(key: string): boolean {
    const loadedAt = this.absent.get(key);
    return loadedAt !== undefined && this.options.clock.now() - loadedAt < NEGATIVE_AGE_MS;
  }

  private isServable(entry: Entry<V>): boolean {
    return this.options.clock.now() - Math.max(entry.loadedAt, this.options.freshness.lastProofAt()) < MAX_STALE_MS;
  }
}

function dropOldest(map: Map<string, unknown>): void {
  const oldest = map.keys().next();
  if (!oldest.done) map.delete(oldest.value);
}
