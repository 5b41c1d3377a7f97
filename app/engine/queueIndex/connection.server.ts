/**
 * The index's own Redis connections: one for commands, one for wake-ups. After every (re)connect the server's `run_id` is
 * read before anything else is sent, because a server that came back may hold older data; nothing is re-sent blindly.
 */
import { errorMessage, type Logger } from "../../platform/logger";
import type { Redis } from "../../platform/redis.server";
import { epochChannel, wakeChannel } from "./keys";
import { indexScripts } from "./scripts.server";

export type IndexConnection = {
  readonly redis: Redis;
  /** `run_id` of the connected server; null while there is none. */
  runId(): string | null;
  /** Resolves with the `run_id` once connected, or with null after `timeoutMs`. */
  whenUsable(timeoutMs: number): Promise<string | null>;
  /** Rejects when the connection is lost before `answer`: the client itself would leave what is in flight unanswered. */
  guard<T>(answer: Promise<T>): Promise<T>;
  start(): Promise<void>;
  stop(): Promise<void>;
};

export type ConnectionEvents = {
  /** Connected; `runId` may differ from before. */
  onUsable(runId: string): void;
  /** A region has new work; the message as the scripts publish it. */
  onWake(message: string): void;
  /** A rebuild began or ended somewhere. */
  onEpochNews(): void;
};

/** A hung server is treated like a lost one after this long; every write is idempotent, so sending it again is safe. */
const COMMAND_TIMEOUT_MS = 5_000;

/** Builds stopped connections beside `base`, with its address and credentials. */
export function createIndexConnection(base: Redis, namespace: string, log: Logger, events: ConnectionEvents): IndexConnection {
  const { redis, subscriber } = openBoth(base);
  const wakes = wakeChannel(namespace);
  let runId: string | null = null;
  const waiters = new Set<(runId: string | null) => void>();

  const inFlight = new Set<(error: Error) => void>();
  const lost = () => {
    runId = null;
    const error = new Error("The connection to the Redis of the queue index was lost.");
    for (const reject of [...inFlight]) reject(error);
  };
  const verify = async () => {
    try {
      const found = /run_id:(\w+)/.exec(await redis.info("server"))?.[1] ?? null;
      if (found === null) throw new Error("INFO server answered no run_id");
      // Known before use: a script that is sent again as text would overtake those sent after it.
      await Promise.all(Object.values(indexScripts).map((script) => redis.script("LOAD", script.text)));
      runId = found;
    } catch (error) {
      log.warn("queue_index.verify_failed", { message: errorMessage(error) });
      redis.disconnect(true);
      return;
    }
    events.onUsable(runId);
    for (const resolve of waiters) resolve(runId);
    waiters.clear();
  };
  redis.on("ready", () => void verify());
  redis.on("close", lost);
  for (const connection of [redis, subscriber]) {
    connection.on("error", (error: Error) => log.warn("redis.connection_error", { name: "queue-index", message: error.message }));
  }
  subscriber.on("message", (channel: string, message: string) => (channel === wakes ? events.onWake(message) : events.onEpochNews()));

  return {
    redis,
    runId: () => runId,
    whenUsable: (timeoutMs) => waitUsable(() => runId, waiters, timeoutMs),
    guard: (answer) =>
      new Promise((resolve, reject) => {
        inFlight.add(reject);
        answer.then(resolve, reject).finally(() => inFlight.delete(reject));
      }),
    async start() {
      await Promise.allSettled([redis.connect(), subscriber.connect()]);
      // Kept by the client: subscriptions survive reconnects. A server that is away now gets it when it is back.
      void subscriber.subscribe(wakes, epochChannel(namespace)).catch((error: unknown) => {
        log.warn("queue_index.subscribe_failed", { message: errorMessage(error) });
      });
    },
    async stop() {
      for (const resolve of waiters) resolve(null);
      waiters.clear();
      redis.disconnect();
      subscriber.disconnect();
      lost();
    },
  };
}

function openBoth(base: Redis): { redis: Redis; subscriber: Redis } {
  const common = { enableAutoPipelining: false, lazyConnect: true };
  const redis = base.duplicate({
    ...common,
    connectionName: "queue-index",
    autoResendUnfulfilledCommands: false,
    commandTimeout: COMMAND_TIMEOUT_MS,
  });
  return { redis, subscriber: base.duplicate({ ...common, connectionName: "queue-index-wake" }) };
}

function waitUsable(current: () => string | null, waiters: Set<(runId: string | null) => void>, timeoutMs: number): Promise<string | null> {
  const now = current();
  if (now !== null) return Promise.resolve(now);
  return new Promise((resolve) => {
    const settle = (runId: string | null) => {
      clearTimeout(timer);
      waiters.delete(settle);
      resolve(runId);
    };
    const timer = setTimeout(() => settle(null), timeoutMs);
    waiters.add(settle);
  });
}
