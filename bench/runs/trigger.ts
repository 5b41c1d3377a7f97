/** Triggers from this process, as the SDK sends them; for the steps that wrk cannot do. */
import { randomUUID } from "node:crypto";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { Connection } from "../http";
import { percentile } from "../statistics";
import { TASK } from "./worker";
import type { LoadResult } from "./wrk";

const PAYLOAD = JSON.stringify({
  json: {
    i: 0,
    t: 0,
    user: "user_01HZX3M7Q9",
    event: "order.created",
    order: { id: "ord_48151623", total: 129.95, currency: "EUR", items: 3 },
    note: "a short line of text so that the body is about two hundred bytes",
  },
});
const BODY = JSON.stringify({ payload: PAYLOAD, options: { payloadType: "application/super+json", payloadSize: PAYLOAD.length } });

export const TRIGGER_PATH = `/api/v1/tasks/${TASK}/trigger`;

/** One caller with a connection of its own. */
class Caller {
  readonly #connection: Connection;

  constructor(origin: URL, secretKey: string) {
    this.#connection = new Connection(origin, {
      authorization: `Bearer ${secretKey}`,
      "content-type": "application/json",
      "trigger-version": "4.8.3",
      "x-trigger-api-version": "2025-07-16",
      "x-trigger-source": "sdk",
      "x-trigger-realtime-streams-version": "v2",
    });
  }

  /** The run's id. Throws on any answer but 2xx. */
  async trigger(): Promise<string> {
    const answer = await this.#connection.post(TRIGGER_PATH, BODY, `x-trigger-request-idempotency-key: ${randomUUID()}\r\n`);
    if (answer.status !== 200) throw new Error(`A trigger was answered with ${answer.status}: ${answer.body.slice(0, 300)}`);
    return (JSON.parse(answer.body) as { id: string }).id;
  }

  close(): void {
    this.#connection.close();
  }
}

type Target = { origin: URL; secretKey: string };

/** `count` triggers by `callers` that each wait for their answer. */
export async function triggerMany(target: Target, count: number, callers: number): Promise<void> {
  let left = count;
  await withCallers(target, callers, async (caller) => {
    while (left-- > 0) await caller.trigger();
  });
}

/** A trigger every `1 / perSecond` seconds, whatever the answers do; when each request was sent, by run id. */
export async function triggerAtRate(target: Target, perSecond: number, seconds: number): Promise<Map<string, number>> {
  const sent = new Map<string, number>();
  const idle = Array.from({ length: perSecond }, () => new Caller(target.origin, target.secretKey));
  const pending: Promise<void>[] = [];
  const begun = performance.now();
  for (let n = 0; n < perSecond * seconds; n++) {
    await delay(Math.max(0, begun + (n * 1_000) / perSecond - performance.now()));
    const caller = idle.shift();
    if (!caller) throw new Error(`A trigger took longer than a second at ${perSecond}/s.`);
    const at = performance.now();
    pending.push(
      caller.trigger().then((id) => {
        sent.set(id, at);
        idle.push(caller);
      })
    );
  }
  await Promise.all(pending);
  for (const caller of idle) caller.close();
  return sent;
}

/** Stands in for wrk where it cannot be had; its own cost makes throughput look worse than wrk would. */
export async function closedLoop(target: Target, callers: number, seconds: number): Promise<LoadResult> {
  const latencies: number[] = [];
  const begun = performance.now();
  const until = begun + seconds * 1_000;
  await withCallers(target, callers, async (caller) => {
    for (let at = performance.now(); at < until; at = performance.now()) {
      await caller.trigger();
      latencies.push(performance.now() - at);
    }
  });
  const perSecond = latencies.length / ((performance.now() - begun) / 1_000);
  latencies.sort((a, b) => a - b);
  return { perSecond, p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99), requests: latencies.length };
}

async function withCallers(target: Target, count: number, work: (caller: Caller) => Promise<void>): Promise<void> {
  const callers = Array.from({ length: count }, () => new Caller(target.origin, target.secretKey));
  try {
    await Promise.all(callers.map(work));
  } finally {
    for (const caller of callers) caller.close();
  }
}
