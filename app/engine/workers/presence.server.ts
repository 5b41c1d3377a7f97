/** Who is connected with `trigger dev`: an open event stream keeps a Redis key alive, so every process can ask. */
import { errorMessage, type Logger } from "../../platform/logger";
import type { Redis } from "../../platform/redis.server";

const PING_EVERY_MS = 3_000;
/** Three pings may be missed: a process that dies leaves the key for this long. */
const TTL_MS = 10_000;
const KEY_PREFIX = "sluice:presence:";

export class DevPresence {
  private readonly open = new Set<() => void>();

  constructor(
    private readonly redis: Redis,
    private readonly log: Logger
  ) {}

  /** True while a session of the environment holds its stream, on any process. */
  async isConnected(envId: string): Promise<boolean> {
    return (await this.redis.exists(KEY_PREFIX + envId)) === 1;
  }

  /** The stream: one event at once, then one every 3 s until the client goes. */
  connect(envId: string, signal: AbortSignal): Response {
    const encoder = new TextEncoder();
    let close = () => undefined as void;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const send = (event: string) => {
          controller.enqueue(encoder.encode(`event: ${event}\ndata: {}\n\n`));
          this.touch(envId);
        };
        const timer = setInterval(() => send("ping"), PING_EVERY_MS);
        close = () => {
          clearInterval(timer);
          if (!this.open.delete(close)) return;
          signal.removeEventListener("abort", close);
          closeQuietly(controller);
        };
        this.open.add(close);
        signal.addEventListener("abort", close, { once: true });
        send("start");
      },
      cancel: () => close(),
    });
    const headers = { "content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no" };
    return new Response(body, { headers });
  }

  /** Ends every stream of this process; clients reconnect elsewhere. */
  stop(): void {
    for (const close of [...this.open]) close();
  }

  private touch(envId: string): void {
    this.redis
      .set(KEY_PREFIX + envId, "1", "PX", TTL_MS)
      .catch((error: unknown) => this.log.debug("presence.touch_failed", { envId, message: errorMessage(error) }));
  }
}

/** A stream that its reader has cancelled is closed already. */
function closeQuietly(controller: ReadableStreamDefaultController<Uint8Array>): void {
  try {
    controller.close();
  } catch {
    // Cancelled by the reader.
  }
}
