/**
 * A worker that runs nothing: sessions that poll, start and complete over HTTP as the CLI does, with its bodies and
 * headers. One run an answer is the rule in development, so throughput comes from the number of sessions.
 */
import { performance } from "node:perf_hooks";
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { Connection } from "../http";

export const TASK = "bench-task";

const registeredSchema = z.object({ id: z.string() });

/** Registers a worker with one task and answers its friendly id. */
export async function registerWorker(origin: URL, projectRef: string, secretKey: string): Promise<string> {
  const body = {
    localOnly: true,
    engine: "V2",
    supportsLazyAttempts: true,
    metadata: {
      packageVersion: "4.8.3",
      cliPackageVersion: "4.8.3",
      contentHash: randomUUID().replaceAll("-", ""),
      runtime: "node",
      tasks: [
        { id: TASK, filePath: "src/trigger/bench.ts", entryPoint: "src/trigger/bench.ts", exportName: "bench", retry: { maxAttempts: 3 } },
      ],
      queues: [],
      sourceFiles: [],
    },
  };
  const response = await fetch(new URL(`/api/v1/projects/${projectRef}/background-workers`, origin), {
    method: "POST",
    headers: { authorization: `Bearer ${secretKey}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`The worker was not registered: ${response.status} ${await response.text()}`);
  return registeredSchema.parse(await response.json()).id;
}

export type WorkerOptions = { origin: URL; secretKey: string; workerId: string; sessions: number };

type Dequeued = { dequeuedMessages: { run: { friendlyId: string }; snapshot: { friendlyId: string } }[] };
type Started = { snapshot: { friendlyId: string } };

/** Runs sessions until stopped. Counts what it did; an answer that is not 2xx fails it. */
export class SimulatedWorker {
  readonly #options: WorkerOptions;
  readonly #connections: Connection[] = [];
  readonly #attempts = new Map<string, number>();
  readonly #handedOut = new Map<string, number>();
  #completed = 0;
  #lastCompletion = 0;
  #stopping = false;
  #failure: Error | undefined;
  #sessions: Promise<void>[] = [];

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#sessions = Array.from({ length: this.#options.sessions }, () => this.#session());
  }

  /** Connections are cut, as when a CLI is closed; held polls end without an answer. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const connection of this.#connections) connection.close();
    await Promise.all(this.#sessions);
    this.check();
  }

  /** Throws what went wrong in a session. */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  get completed(): number {
    return this.#completed;
  }

  /** `performance.now()` of the latest completion that was answered: committed, by then. */
  get lastCompletion(): number {
    return this.#lastCompletion;
  }

  /** Runs that were started more than once; none should be. */
  get startedTwice(): number {
    return [...this.#attempts.values()].filter((count) => count > 1).length;
  }

  /** When the poll that carried the run was answered, by run id (`performance.now()`). */
  get handedOut(): ReadonlyMap<string, number> {
    return this.#handedOut;
  }

  async #session(): Promise<void> {
    const { origin, secretKey, workerId } = this.#options;
    const connection = new Connection(origin, {
      authorization: `Bearer ${secretKey}`,
      "content-type": "text/plain;charset=UTF-8",
      "x-trigger-cli-version": "4.8.3",
      "x-trigger-source": "cli",
    });
    this.#connections.push(connection);
    const poll = JSON.stringify({ currentWorker: workerId, oldWorkers: [] });
    try {
      while (!this.#stopping) {
        const answer = await this.#post<Dequeued>(connection, "/engine/v1/dev/dequeue", poll);
        const at = performance.now();
        for (const message of answer.dequeuedMessages) {
          this.#handedOut.set(message.run.friendlyId, at);
          await this.#run(connection, message.run.friendlyId, message.snapshot.friendlyId);
        }
      }
    } catch (error) {
      if (!this.#stopping) this.#failure ??= error instanceof Error ? error : new Error(String(error));
    }
  }

  async #run(connection: Connection, runId: string, snapshotId: string): Promise<void> {
    const base = `/engine/v1/dev/runs/${runId}/snapshots`;
    const started = await this.#post<Started>(connection, `${base}/${snapshotId}/attempts/start`, '{"isWarmStart":false}');
    this.#attempts.set(runId, (this.#attempts.get(runId) ?? 0) + 1);
    const completion = {
      ok: true,
      id: runId,
      output: '{"json":{"ok":true}}',
      outputType: "application/super+json",
      usage: { durationMs: 1 },
    };
    await this.#post(connection, `${base}/${started.snapshot.friendlyId}/attempts/complete`, JSON.stringify({ completion }));
    this.#completed++;
    this.#lastCompletion = performance.now();
  }

  async #post<T>(connection: Connection, path: string, body: string): Promise<T> {
    const answer = await connection.post(path, body, `x-trigger-request-idempotency-key: ${randomUUID()}\r\n`);
    if (answer.status < 200 || answer.status > 299) throw new Error(`${path} answered ${answer.status}: ${answer.body.slice(0, 300)}`);
    return JSON.parse(answer.body) as T;
  }
}
