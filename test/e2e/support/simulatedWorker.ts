/**
 * A worker that speaks the CLI's HTTP protocol without running code: registers a version, polls, starts, completes. Fault
 * tests use many of them; every answer that the server accepted is written down and checked afterwards.
 */
import { randomUUID } from "node:crypto";

export type WorkerEvent = { kind: "start" | "complete"; runId: string; attempt: number; at: number };

export type WorkerOptions = {
  /** Called before each request, so that tests can point a worker at another process. */
  origin: () => string;
  secretKey: string;
  projectRef: string;
  tasks: { id: string; queue?: { name: string; concurrencyLimit?: number }; retry?: Record<string, unknown> }[];
  /** Milliseconds between start and complete. */
  workMs: () => number;
  /** Polls held at once. */
  pollers: number;
  /** Decides the result of an attempt; default: success. */
  outcome?: (runId: string, attempt: number) => { ok: true; output: string } | { ok: false; message: string; retryDelayMs?: number };
};

type Message = { run: { friendlyId: string }; snapshot: { friendlyId: string } };

export class SimulatedWorker {
  readonly events: WorkerEvent[] = [];
  private stopped = false;
  private loops: Promise<void>[] = [];
  private inFlight = new Set<Promise<void>>();
  private workerId = "";

  constructor(private readonly options: WorkerOptions) {}

  /** Registers the version and begins to poll. */
  async start(): Promise<void> {
    const answer = await this.post(`/api/v1/projects/${this.options.projectRef}/background-workers`, {
      localOnly: true,
      engine: "V2",
      supportsLazyAttempts: true,
      metadata: {
        packageVersion: "4.8.3",
        cliPackageVersion: "4.8.3",
        contentHash: randomUUID(),
        runtime: "node",
        tasks: this.options.tasks.map((task) => ({ filePath: "src/trigger/tasks.ts", exportName: task.id, ...task })),
        queues: this.options.tasks.flatMap((task) => (task.queue ? [task.queue] : [])),
        sourceFiles: [],
      },
    });
    if (!answer) throw new Error("registration failed");
    this.workerId = String(answer["id"]);
    this.loops = Array.from({ length: this.options.pollers }, () => this.poll());
  }

  /** No new runs; what is in flight is completed. */
  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.loops);
    await Promise.all(this.inFlight);
  }

  private async poll(): Promise<void> {
    while (!this.stopped) {
      const answer = await this.post("/engine/v1/dev/dequeue", { currentWorker: this.workerId, oldWorkers: [] }).catch(() => null);
      if (!answer) {
        await sleep(100);
        continue;
      }
      for (const message of answer["dequeuedMessages"] as Message[]) {
        const work = this.execute(message).finally(() => this.inFlight.delete(work));
        this.inFlight.add(work);
        await work;
      }
    }
  }

  private async execute(message: Message): Promise<void> {
    let snapshot = message.snapshot.friendlyId;
    const runId = message.run.friendlyId;
    for (;;) {
      const started = await this.retrying(`/engine/v1/dev/runs/${runId}/snapshots/${snapshot}/attempts/start`, { isWarmStart: false });
      if (!started) return;
      const attempt = (started["run"] as { attemptNumber: number }).attemptNumber;
      snapshot = (started["snapshot"] as { friendlyId: string }).friendlyId;
      this.events.push({ kind: "start", runId, attempt, at: Date.now() });
      await sleep(this.options.workMs());
      const outcome = this.options.outcome?.(runId, attempt) ?? { ok: true as const, output: JSON.stringify({ json: { attempt } }) };
      const completion = outcome.ok
        ? { ok: true, id: runId, output: outcome.output, outputType: "application/super+json", usage: { durationMs: 1 } }
        : {
            ok: false,
            id: runId,
            error: { type: "BUILT_IN_ERROR", name: "Error", message: outcome.message, stackTrace: "" },
            retry:
              outcome.retryDelayMs === undefined
                ? undefined
                : { timestamp: Date.now() + outcome.retryDelayMs, delay: outcome.retryDelayMs },
          };
      const done = await this.retrying(`/engine/v1/dev/runs/${runId}/snapshots/${snapshot}/attempts/complete`, { completion });
      if (!done) return;
      this.events.push({ kind: "complete", runId, attempt, at: Date.now() });
      const result = done["result"] as { attemptStatus: string; snapshot: { friendlyId: string } };
      if (result.attemptStatus !== "RETRY_IMMEDIATELY") return;
      snapshot = result.snapshot.friendlyId;
      await sleep(outcome.ok ? 0 : (outcome.retryDelayMs ?? 0));
    }
  }

  /** As the CLI: five tries, 0.5 s doubling, the same request key; null when refused or given up. */
  private async retrying(path: string, body: unknown): Promise<Record<string, unknown> | null> {
    const key = randomUUID();
    for (let attempt = 0, delayMs = 500; attempt < 5; attempt++, delayMs *= 2) {
      try {
        return await this.post(path, body, key);
      } catch {
        await sleep(delayMs);
      }
    }
    return null;
  }

  /** The answer, null for a refusal that must not be retried; throws for everything that may be. */
  private async post(path: string, body: unknown, key: string = randomUUID()): Promise<Record<string, unknown> | null> {
    const response = await fetch(this.options.origin() + path, {
      method: "POST",
      headers: {
        authorization: `Bearer ${this.options.secretKey}`,
        "content-type": "application/json",
        "x-trigger-request-idempotency-key": key,
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(40_000),
    });
    if (response.ok) return (await response.json()) as Record<string, unknown>;
    const text = await response.text();
    const retry = response.headers.get("x-should-retry");
    if (retry === "true" || (retry !== "false" && [408, 409, 429, 500, 502, 503, 504].includes(response.status)))
      throw new Error(`${response.status} ${text}`);
    return null;
  }
}

function sleep(ms: number): Promise<void> {
  return ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
}
