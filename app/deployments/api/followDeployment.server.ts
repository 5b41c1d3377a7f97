/** Follows the log of a deployment to its end, for event streams. */
import type { Pool } from "../../platform/db.server";
import { deploymentById } from "../rows/deploymentRows.server";
import { Bell } from "../heldCalls";
import { isTerminal } from "../phases";
import type { DeploymentEvent, DeploymentEvents, DeploymentFeed, DeploymentRecord } from "../ports";

const PAGE = 500;
/** Also how often a reader hears that the line is alive. The CLI gives up on a silent stream. */
const PING_MS = 10_000;
/** A lost notification costs no more than this. */
const REREAD_MS = 2_000;

export type Followed =
  | { kind: "event"; event: DeploymentEvent }
  | { kind: "ping" }
  /** Everything was told; the deployment as it ended. */
  | { kind: "end"; deployment: DeploymentRecord };

export class FollowDeploymentService {
  private readonly open = new Set<AbortController>();

  constructor(private readonly deps: { pool: Pool; events: DeploymentEvents; feed: Pick<DeploymentFeed, "onDeployment"> }) {}

  /** What is after `seq`, then what comes. Returns without `end` when the reader left or the server drains. */
  async *call(deploymentId: string, seq: number, signal: AbortSignal): AsyncGenerator<Followed, void, undefined> {
    const bell = new Bell();
    const drained = new AbortController();
    this.open.add(drained);
    const unsubscribe = this.deps.feed.onDeployment(deploymentId, bell.ring);
    for (const source of [signal, drained.signal]) source.addEventListener("abort", bell.ring, { once: true });
    try {
      yield* this.follow({ deploymentId, seq, bell, over: () => signal.aborted || drained.signal.aborted });
    } finally {
      unsubscribe();
      signal.removeEventListener("abort", bell.ring);
      this.open.delete(drained);
    }
  }

  /** Ends every stream; readers connect again, to another process. */
  drain(): void {
    for (const controller of [...this.open]) controller.abort();
  }

  private async *follow(reader: {
    deploymentId: string;
    seq: number;
    bell: Bell;
    over: () => boolean;
  }): AsyncGenerator<Followed, void, undefined> {
    let { seq } = reader;
    let quietMs = 0;
    while (!reader.over()) {
      // The end is read before the events, so that its last line is among them.
      const deployment = await deploymentById(this.deps.pool, reader.deploymentId);
      const events = await this.deps.events.after(reader.deploymentId, seq, PAGE);
      for (const event of events) {
        seq = event.seq;
        yield { kind: "event", event };
      }
      if (events.length === PAGE) continue;
      if (!deployment) return;
      if (isTerminal(deployment.phase)) return yield { kind: "end", deployment };
      quietMs = events.length > 0 ? 0 : quietMs + REREAD_MS;
      if (quietMs >= PING_MS) {
        quietMs = 0;
        yield { kind: "ping" };
      }
      await reader.bell.wait(REREAD_MS);
    }
  }
}

/** One event of a stream. */
export type SseMessage = { event: string; data: unknown; id?: number };

/** An answer of type `text/event-stream` from a source of messages; the source is told when the reader leaves. */
export function sseResponse(source: AsyncGenerator<SseMessage, void, undefined>): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = await source.next();
        if (next.done) controller.close();
        else controller.enqueue(encoder.encode(textOf(next.value)));
      } catch (error) {
        controller.error(error);
      }
    },
    async cancel() {
      await source.return();
    },
  });
  return new Response(body, {
    headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store, no-transform", "x-accel-buffering": "no" },
  });
}

function textOf({ event, data, id }: SseMessage): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
