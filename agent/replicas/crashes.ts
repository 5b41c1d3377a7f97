/** Ends that nobody asked for, by version: how long to wait before the next try, and when to stop trying. */

const WINDOW_MS = 60_000;
const LIMIT = 5;
const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 10_000;

type Entry = { ends: number[]; restarts: number; notBefore: number; failed: string | null; message: string };

export class Crashes {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly now: () => number) {}

  /** Counts an end. The fifth within 60 s is the last: true, and the version fails with `text`. */
  record(deploymentId: string, text: string): boolean {
    const now = this.now();
    const entry = this.entries.get(deploymentId) ?? { ends: [], restarts: 0, notBefore: 0, failed: null, message: "" };
    entry.ends = [...entry.ends.filter((at) => now - at < WINDOW_MS), now];
    entry.restarts++;
    entry.message = text;
    entry.notBefore = now + Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (entry.ends.length - 1));
    if (entry.ends.length >= LIMIT) entry.failed = `Ended ${LIMIT} times within ${WINDOW_MS / 1_000} s. Last: ${text}`;
    this.entries.set(deploymentId, entry);
    return entry.failed !== null;
  }

  /** Fails a version at once: its release cannot be had. */
  fail(deploymentId: string, text: string): void {
    this.entries.set(deploymentId, { ends: [], restarts: this.restarts(deploymentId), notBefore: 0, failed: text, message: text });
  }

  /** Why a version is not tried again, or null. */
  failure(deploymentId: string): string | null {
    return this.entries.get(deploymentId)?.failed ?? null;
  }

  /** Milliseconds until the next start is allowed. */
  waitMs(deploymentId: string): number {
    return Math.max(0, (this.entries.get(deploymentId)?.notBefore ?? 0) - this.now());
  }

  restarts(deploymentId: string): number {
    return this.entries.get(deploymentId)?.restarts ?? 0;
  }

  /** Last words, or null. */
  message(deploymentId: string): string | null {
    return this.entries.get(deploymentId)?.message ?? null;
  }

  /** The server changed its mind about a version, or dropped it: a failure is forgotten. */
  forget(deploymentId: string): void {
    this.entries.delete(deploymentId);
  }
}
