/**
 * Run changes over Redis pub/sub. Changes of some milliseconds go out as one message per environment; a process subscribes to the
 * environments that somebody here listens to. Messages may be lost with the connection: listeners also poll or re-read.
 */
import type { Redis } from "../platform/redis.server";
import { errorMessage, type Logger } from "../platform/logger";
import { EXECUTION_STATES, RUN_STATUSES, stateName, statusName } from "../runops/runStates";
import type { RunChange, RunFeed } from "./types";

/** Nobody sees it, and under load ten changes cost what one does. A worker that must hear of its run is told at once. */
const COLLECT_MS = 10;
const CHANNEL_PREFIX = "sluice:feed:";

type Listener = (change: RunChange) => void;
/** On the wire: `[runId, seq, state code, status code, notify 0|1]`. */
type Packed = [string, number, number, number, number];

export class RedisRunFeed implements RunFeed {
  private readonly environments = new Map<string, Set<Listener>>();
  private pending = new Map<string, Packed[]>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly redis: Redis,
    /** A connection of its own: a subscribed one can do nothing else. */
    private readonly subscriber: Redis,
    private readonly log: Logger
  ) {
    subscriber.on("message", (channel: string, message: string) => this.receive(channel, message));
  }

  onEnvironment(envId: string, listener: Listener): () => void {
    let listeners = this.environments.get(envId);
    if (!listeners) {
      listeners = new Set();
      this.environments.set(envId, listeners);
      this.tell(this.subscriber.subscribe(CHANNEL_PREFIX + envId));
    }
    listeners.add(listener);
    return () => this.drop(envId, listener);
  }

  onRun(envId: string, runId: string, listener: Listener): () => void {
    return this.onEnvironment(envId, (change) => {
      if (change.runId === runId) listener(change);
    });
  }

  publish(change: RunChange): void {
    const packed: Packed = [change.runId, change.seq, EXECUTION_STATES[change.state], RUN_STATUSES[change.status], change.notify ? 1 : 0];
    const list = this.pending.get(change.envId);
    if (list) list.push(packed);
    else this.pending.set(change.envId, [packed]);
    if (change.notify) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), COLLECT_MS);
  }

  private flush(): void {
    const batches = this.pending;
    this.pending = new Map();
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const [envId, changes] of batches) this.tell(this.redis.publish(CHANNEL_PREFIX + envId, JSON.stringify(changes)));
  }

  private receive(channel: string, message: string): void {
    if (!channel.startsWith(CHANNEL_PREFIX)) return;
    const envId = channel.slice(CHANNEL_PREFIX.length);
    const listeners = this.environments.get(envId);
    if (!listeners) return;
    for (const [runId, seq, state, status, notify] of JSON.parse(message) as Packed[]) {
      const change: RunChange = { envId, runId, seq, state: stateName(state), status: statusName(status), notify: notify === 1 };
      for (const listener of [...listeners]) this.call(listener, change);
    }
  }

  private call(listener: Listener, change: RunChange): void {
    try {
      listener(change);
    } catch (error) {
      this.log.error("feed.listener_failed", { runId: change.runId, message: errorMessage(error) });
    }
  }

  private drop(envId: string, listener: Listener): void {
    const listeners = this.environments.get(envId);
    if (!listeners?.delete(listener) || listeners.size > 0) return;
    this.environments.delete(envId);
    this.tell(this.subscriber.unsubscribe(CHANNEL_PREFIX + envId));
  }

  /** The feed is best effort: what fails is logged, the connection's own retry does the rest. */
  private tell(command: Promise<unknown>): void {
    command.catch((error: unknown) => this.log.debug("feed.command_failed", { message: errorMessage(error) }));
  }
}
