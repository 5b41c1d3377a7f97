/** SIGTERM and SIGINT from the first store on: a signal during the start ends the start, and stops what was started. */
import { errorMessage, type Logger } from "./platform/logger";

/** From the signal to the exit, where 10 s are promised. */
const STOP_LIMIT_MS = 9_500;

/** Ends a start that nobody wants any more. */
export class StoppedError extends Error {}

export class StopSignals {
  private signal: NodeJS.Signals | null = null;
  private stop: (() => Promise<void>) | null = null;

  constructor(private readonly log: Logger) {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => this.received(signal));
  }

  /** Between the steps of the start. Throws `StoppedError` once a signal has come. */
  throwIfStopping(): void {
    if (this.signal) throw new StoppedError(`${this.signal} came during the start.`);
  }

  /** The start is over: from now on a signal runs `stop` and ends the process. */
  whenStopping(stop: () => Promise<void>): void {
    this.stop = stop;
    if (this.signal) void this.end();
  }

  private received(signal: NodeJS.Signals): void {
    if (this.signal) return;
    this.signal = signal;
    this.log.info("server.stopping", { signal });
    setTimeout(() => {
      this.log.error("server.stop_timed_out", { afterMs: STOP_LIMIT_MS });
      process.exit(1);
    }, STOP_LIMIT_MS).unref();
    if (this.stop) void this.end();
  }

  private async end(): Promise<void> {
    try {
      await this.stop?.();
      this.log.info("server.stopped");
      process.exit(0);
    } catch (error) {
      this.log.error("server.stop_failed", { message: errorMessage(error) });
      process.exit(1);
    }
  }
}
