/** Held polls of idle replicas: the answer to one is a run. */
import type { ServerResponse } from "node:http";
import type { Replica } from "../replicas/replica";
import type { DequeuedMessage } from "../server/messages";

/** Below the 300 s after which Node's `fetch` gives up on headers, backs off and leaves a gap without a poll. */
export const CONNECTION_TIMEOUT_MS = 240_000;
/** Idle replicas stay a day; the agent decides when they go. */
export const KEEPALIVE_MS = 24 * 60 * 60 * 1_000;

export class WarmStarts {
  private readonly held = new Map<Replica, ServerResponse>();

  /** Holds the poll of a replica until `offer` or `dismiss`; an older one of the same replica is over. */
  hold(replica: Replica, response: ServerResponse): void {
    this.held.get(replica)?.destroy();
    this.held.set(replica, response);
    response.once("close", () => {
      if (this.held.get(replica) === response) this.held.delete(replica);
    });
  }

  has(replica: Replica): boolean {
    return this.held.has(replica);
  }

  /** Hands a run to a replica. False when its poll is gone; true does not promise that it arrived. */
  offer(replica: Replica, message: DequeuedMessage): boolean {
    const response = this.held.get(replica);
    this.held.delete(replica);
    if (!response || response.destroyed) return false;
    answer(response, 200, message);
    return true;
  }

  /** Ends a replica's polling: it exits. */
  dismiss(replica: Replica): void {
    const response = this.held.get(replica);
    this.held.delete(replica);
    if (response) answer(response, 410, { error: "This replica is not needed any more." });
  }
}

/** Writes a JSON answer. */
export function answer(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  if (response.headersSent || response.destroyed) return;
  const text = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { "content-type": "application/json", "content-length": text.length, ...headers });
  response.end(text);
}
