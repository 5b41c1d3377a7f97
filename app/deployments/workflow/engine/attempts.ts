/** One step's attempts, with an outcome that is data: the journal never holds a thrown error. */
import { DeployError, FencedError, isConnectionLoss, reviveError, storeError, type StoredError } from "../errors";

export type StepOutcome<T> = { ok: true; value: T } | { ok: false; error: StoredError };

/** Waits between attempts: 100, 200, 400 and 800 ms; while the database is away, a second. */
const FIRST_PAUSE_MS = 100;
const CONNECTION_PAUSE_MS = 1_000;

export type AttemptGate = {
  /** True once this process must not go on. */
  closed(): boolean;
  fenced(): void;
};

/** For a body that must neither go on nor fail: it is left where it is, and another process repeats the step. */
export function park(): Promise<never> {
  return new Promise(() => undefined);
}

/** Runs `work` up to `attempts` times. Never rejects. */
export async function attempt<T>(gate: AttemptGate, work: () => Promise<T>, attempts: number): Promise<StepOutcome<T>> {
  let tries = 0;
  for (;;) {
    if (gate.closed()) return park();
    try {
      return { ok: true, value: await work() };
    } catch (error) {
      if (error instanceof FencedError) gate.fenced();
      if (error instanceof FencedError || gate.closed()) return park();
      if (isConnectionLoss(error)) {
        await pause(CONNECTION_PAUSE_MS);
        continue;
      }
      tries += 1;
      if (error instanceof DeployError || tries >= attempts) return { ok: false, error: storeError(error) };
      await pause(FIRST_PAUSE_MS * 2 ** (tries - 1));
    }
  }
}

/** The value, or the error thrown. */
export function unwrap<T>(outcome: StepOutcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw reviveError(outcome.error);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
