/** Triggers at a steady rate, as an SDK would: the same request key for every try, five tries. Keeps what was acknowledged. */
import { randomUUID } from "node:crypto";

export type LoadOptions = {
  origin: () => string;
  secretKey: string;
  task: string;
  perSecond: number;
  options?: Record<string, unknown>;
};

export class TriggerLoad {
  /** Ids without prefix of every run that was answered 200. */
  readonly acknowledged: string[] = [];
  /** Calls given up after five tries; nothing is known about their runs. */
  unanswered = 0;
  private timer: NodeJS.Timeout | undefined;
  private readonly pending = new Set<Promise<void>>();

  constructor(private readonly options: LoadOptions) {}

  start(): void {
    const everyMs = 20;
    let owed = 0;
    this.timer = setInterval(() => {
      owed += (this.options.perSecond * everyMs) / 1000;
      for (; owed >= 1; owed--) this.fire();
    }, everyMs);
  }

  /** Stops and waits for the calls in flight. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all(this.pending);
  }

  private fire(): void {
    const call = this.trigger().finally(() => this.pending.delete(call));
    this.pending.add(call);
  }

  private async trigger(): Promise<void> {
    const key = randomUUID();
    for (let attempt = 0, delayMs = 500; attempt < 6; attempt++, delayMs = Math.min(delayMs * 2, 4_000)) {
      try {
        const response = await fetch(`${this.options.origin()}/api/v1/tasks/${this.options.task}/trigger`, {
          method: "POST",
          headers: {
            authorization: `Bearer ${this.options.secretKey}`,
            "content-type": "application/json",
            "x-trigger-api-version": "2025-07-16",
            "x-trigger-request-idempotency-key": key,
          },
          body: JSON.stringify({
            payload: JSON.stringify({ json: { n: 1 } }),
            options: { payloadType: "application/super+json", ...this.options.options },
          }),
          signal: AbortSignal.timeout(15_000),
        });
        if (response.ok) {
          const body = (await response.json()) as { id: string };
          this.acknowledged.push(body.id.replace(/^run_/, ""));
          return;
        }
        if (response.status < 500 && response.status !== 429)
          throw new Error(`trigger refused: ${response.status} ${await response.text()}`);
        await response.text();
      } catch (error) {
        if (error instanceof Error && error.message.startsWith("trigger refused")) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
    this.unanswered++;
  }
}
