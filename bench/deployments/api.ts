/** Calls with the key of an environment, as the SDK and a script make them. */
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";

const runSchema = z.object({
  id: z.string(),
  status: z.string(),
  isCompleted: z.boolean(),
  version: z.string().optional(),
  finishedAt: z.coerce.date().optional(),
  output: z.unknown().optional(),
  error: z.unknown().optional(),
});
export type Run = z.output<typeof runSchema>;
const triggered = z.object({ id: z.string() });
const outputSchema = z.object({ at: z.number(), pid: z.number() });

/** A run of the benchmark's task once it is over; times are of this machine's one clock. `pid`: the process that ran it. */
export type TimedRun = { id: string; version: string; pid: number; sentAt: number; userCodeAt: number; finishedAt: number };
/** A trigger that was answered. `sentAt`: just before the request was written. */
export type Sent = { id: string; sentAt: number };
export type TriggerOptions = { holdMs?: number; lockToVersion?: string };

const POLL_MS = 100;
const RUN_TIMEOUT_MS = 120_000;

export class Api {
  constructor(
    readonly origin: URL,
    private readonly secretKey: string
  ) {}

  /** The parsed answer. Throws with its text unless it is 2xx. */
  async call(method: string, pathname: string, body?: unknown): Promise<unknown> {
    const answer = await fetch(new URL(pathname, this.origin), {
      method,
      headers: { authorization: `Bearer ${this.secretKey}`, "content-type": "application/json", "x-trigger-api-version": "2025-07-16" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${pathname} was answered with ${answer.status}: ${text.slice(0, 500)}`);
    return JSON.parse(text);
  }

  async trigger(task: string, { holdMs = 0, lockToVersion }: TriggerOptions = {}): Promise<Sent> {
    const body = { payload: { holdMs }, options: lockToVersion === undefined ? {} : { lockToVersion } };
    const sentAt = Date.now();
    const { id } = triggered.parse(await this.call("POST", `/api/v1/tasks/${task}/trigger`, body));
    return { id, sentAt };
  }

  async run(id: string): Promise<Run> {
    return runSchema.parse(await this.call("GET", `/api/v3/runs/${id}`));
  }

  /** Waits for its end. Throws unless it is COMPLETED. */
  async finished({ id, sentAt }: Sent): Promise<TimedRun> {
    const deadline = performance.now() + RUN_TIMEOUT_MS;
    for (;;) {
      const run = await this.run(id);
      if (run.isCompleted) return timedRun(run, sentAt);
      if (performance.now() > deadline) throw new Error(`${id} is still ${run.status} after ${RUN_TIMEOUT_MS / 1_000} s.`);
      await delay(POLL_MS);
    }
  }
}

/** What the task answered beside what was known when it was triggered. Throws for a run that did not end well. */
export function timedRun(run: Run, sentAt: number): TimedRun {
  const { id, status, version, finishedAt, output, error } = run;
  if (status !== "COMPLETED" || !finishedAt) throw new Error(`${id} ended ${status}: ${JSON.stringify(error)}`);
  const { at, pid } = outputSchema.parse(output);
  return { id, version: version ?? "", pid, sentAt, userCodeAt: at, finishedAt: finishedAt.getTime() };
}
