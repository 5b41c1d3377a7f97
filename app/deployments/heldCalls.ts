/** Waiting for something to happen, in calls that clients hold open. */

/** Remembers a ring that comes while nobody waits: a change between a read and the wait after it is not lost. */
export class Bell {
  private rung = false;
  private wake: (() => void) | null = null;

  readonly ring = (): void => {
    this.rung = true;
    this.wake?.();
  };

  /** Resolves at the next ring, at once when there was one since the last wait, or after `ms`. */
  async wait(ms: number): Promise<void> {
    if (!this.rung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.rung = false;
    this.wake = null;
  }
}

export type HeldCall = { readonly bell: Bell; isOver: boolean };

/** Calls that are held until something happens. Each is over with its time, its connection or the server. */
export class HeldCalls {
  private readonly leaves = new Set<() => void>();
  private stopped = false;

  /** Runs `wait` with a bell that rings when the call is over, too. */
  async hold<T>(limits: { waitMs: number; signal: AbortSignal }, wait: (call: HeldCall) => Promise<T>): Promise<T> {
    const call: HeldCall = { bell: new Bell(), isOver: false };
    const leave = () => {
      call.isOver = true;
      call.bell.ring();
    };
    const timer = setTimeout(leave, limits.waitMs);
    limits.signal.addEventListener("abort", leave, { once: true });
    this.leaves.add(leave);
    if (this.stopped || limits.signal.aborted || limits.waitMs === 0) leave();
    try {
      return await wait(call);
    } finally {
      clearTimeout(timer);
      limits.signal.removeEventListener("abort", leave);
      this.leaves.delete(leave);
    }
  }

  /** Ends every call, also those that come later. */
  stop(): void {
    this.stopped = true;
    for (const leave of [...this.leaves]) leave();
  }
}
