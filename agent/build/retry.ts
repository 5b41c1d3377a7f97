/** Another try for what the network spoiled. */
import { BuildError, cancelled } from "./errors";

/** Tries in all. */
const NETWORK_ATTEMPTS = 3;
const FIRST_DELAY_MS = 1_000;

export type RetryOptions = { signal: AbortSignal; onRetry(error: BuildError, attempt: number): void; delayMs?: number };

/** Repeats `work` up to three times while it fails with a BuildError of kind network; anything else is thrown at once. */
export async function retryNetwork<T>(work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      if (!(error instanceof BuildError) || error.kind !== "network" || attempt >= NETWORK_ATTEMPTS) throw error;
      options.onRetry(error, attempt);
      await pause((options.delayMs ?? FIRST_DELAY_MS) * 2 ** (attempt - 1), options.signal);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(cancelled("The build was cancelled."));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
