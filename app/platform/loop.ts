/**
 * The one shape of every background loop: `runOnce` returns how long to sleep, errors are logged and retried, start and
 * stop may be called in any order and more than once, and stop waits for the pass in flight.
 */
import { errorMessage, type Logger } from "./logger";

export type Loop = {
  readonly name: string;
  start(): void;
  /** Resolves when the pass in flight has ended; no pass begins afterwards. */
  stop(): Promise<void>;
  /** Begin the next pass now instead of at the end of the sleep. */
  nudge(): void;
  /** One pass, awaited; for tests. */
  runOnce(): Promise<void>;
};

export type LoopOptions = {
  name: string;
  /** Sleep after a pass, when the pass does not say otherwise. */
  everyMs: number;
  /** Sleep after a pass that failed. Default: `everyMs`, at least 1,000. */
  afterErrorMs?: number;
  log: Logger;
  /** One pass. Returns milliseconds until the next one, or nothing for `everyMs`. */
  run(signal: AbortSignal): Promise<number | void>;
};

/** Builds a stopped loop. */
export function defineLoop(options: LoopOptions): Loop {
  let timer: NodeJS.Timeout | undefined;
  let pass: Promise<void> | undefined;
  let nudged = false;
  let stop = new AbortController();
  let running = false;

  const once = async () => {
    let sleepMs: number;
    try {
      sleepMs = (await options.run(stop.signal)) ?? options.everyMs;
    } catch (error) {
      sleepMs = options.afterErrorMs ?? Math.max(options.everyMs, 1_000);
      if (!stop.signal.aborted) options.log.error("loop.failed", { loop: options.name, message: errorMessage(error) });
    }
    return sleepMs;
  };
  const tick = () => {
    timer = undefined;
    nudged = false;
    pass = once().then((sleepMs) => {
      pass = undefined;
      if (running) timer = setTimeout(tick, nudged ? 0 : sleepMs);
    });
  };
  return {
    name: options.name,
    start() {
      if (running) return;
      running = true;
      stop = new AbortController();
      if (!pass) timer = setTimeout(tick, 0);
    },
    async stop() {
      running = false;
      stop.abort();
      clearTimeout(timer);
      timer = undefined;
      await pass;
    },
    nudge() {
      nudged = true;
      if (running && !pass) {
        clearTimeout(timer);
        timer = setTimeout(tick, 0);
      }
    },
    async runOnce() {
      await options.run(stop.signal);
    },
  };
}
