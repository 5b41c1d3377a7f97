/**
 * Tells dev workers over socket.io that a run they follow changed. The CLI ignores notices while it handles one and
 * acknowledges nothing, so a notice is repeated while its snapshot is still the latest.
 */
import type { Server as HttpServer } from "node:http";
import { Server, type Namespace, type Socket } from "socket.io";
import { z } from "zod";
import type { Auth } from "../auth/types";
import type { ConfigChanges, EnvironmentView } from "../environments/types";
import { errorMessage, type Logger } from "../platform/logger";
import { friendlyId, parseFriendlyId } from "../utils/ids";
import type { RunChange, RunFeed } from "./types";

const NAMESPACE = "/dev-worker";
const PATH = "/socket.io/";
const REPEAT_AFTER_MS = [150, 500, 1_500] as const;
const MAX_RUNS_A_MESSAGE = 1_000;

const subscription = z.object({ runFriendlyIds: z.array(z.string().max(64)).max(MAX_RUNS_A_MESSAGE) });

type SocketData = { env: EnvironmentView; key: string };
type DevSocket = Socket<Record<string, never>, Record<string, never>, Record<string, never>, SocketData>;
type NotificationDeps = { auth: Pick<Auth, "secretKey">; feed: RunFeed; changes: ConfigChanges; log: Logger };
type Followed = { sockets: number; unsubscribe: () => void };

export class Notifications {
  private server: Server | undefined;
  private readonly environments = new Map<string, Followed>();
  /** Newest seq of runs with repeats outstanding. */
  private readonly repeating = new Map<string, { seq: number; timers: NodeJS.Timeout[] }>();
  private unsubscribe: (() => void) | undefined;

  constructor(private readonly deps: NotificationDeps) {}

  /** Serves `/socket.io/` of this HTTP server; other upgrades are left alone. */
  attach(httpServer: HttpServer): void {
    this.server = new Server(httpServer, { path: PATH, transports: ["websocket"], serveClient: false, destroyUpgrade: false });
    const namespace: Namespace = this.server.of(NAMESPACE);
    namespace.use((socket, next) => {
      this.authenticate(socket as DevSocket).then(
        () => next(),
        () => next(new Error("unauthorized"))
      );
    });
    namespace.on("connection", (socket) => this.connected(socket as DevSocket));
    this.unsubscribe = this.deps.changes.subscribe((change) => {
      if (change.scope === "key" || change.scope === "environment" || change.scope === "everything") void this.recheck(change.id);
    });
  }

  /** Disconnects everybody; the CLI reconnects to the next process. */
  async stop(): Promise<void> {
    this.unsubscribe?.();
    for (const { timers } of this.repeating.values()) timers.forEach(clearTimeout);
    this.repeating.clear();
    for (const followed of this.environments.values()) followed.unsubscribe();
    this.environments.clear();
    this.server?.disconnectSockets(true);
    // Not `close()` of the whole server: the HTTP server belongs to the process.
    this.server?.engine.close();
    this.server = undefined;
  }

  private async authenticate(socket: DevSocket): Promise<void> {
    const key = socket.handshake.headers.authorization ?? "";
    socket.data = { env: (await this.caller(key)).env, key };
  }

  private caller(authorization: string) {
    return this.deps.auth.secretKey(new Request("http://socket.local/", { headers: { authorization } }));
  }

  /** A revoked key ends its sockets. */
  private async recheck(envId: string | null): Promise<void> {
    for (const socket of (this.server?.of(NAMESPACE).sockets.values() ?? []) as Iterable<DevSocket>) {
      if (envId !== null && socket.data.env.id !== envId) continue;
      await this.caller(socket.data.key).catch(() => socket.disconnect(true));
    }
  }

  private connected(socket: DevSocket): void {
    const envId = socket.data.env.id;
    this.follow(envId);
    socket.on("disconnect", () => this.unfollow(envId));
    socket.on("run:subscribe", (message: unknown) => this.rooms(message, envId, (rooms) => socket.join(rooms)));
    socket.on("run:unsubscribe", (message: unknown) => this.rooms(message, envId, (rooms) => rooms.forEach((room) => socket.leave(room))));
  }

  private rooms(message: unknown, envId: string, use: (rooms: string[]) => unknown): void {
    const parsed = subscription.safeParse(message);
    if (!parsed.success) return;
    const ids = parsed.data.runFriendlyIds.map((id) => parseFriendlyId("run", id)).filter((id) => id !== null);
    Promise.resolve(use(ids.map((id) => roomOf(envId, id)))).catch((error: unknown) =>
      this.deps.log.warn("socket.room_failed", { message: errorMessage(error) })
    );
  }

  private follow(envId: string): void {
    const followed = this.environments.get(envId);
    if (followed) followed.sockets++;
    else this.environments.set(envId, { sockets: 1, unsubscribe: this.deps.feed.onEnvironment(envId, (change) => this.changed(change)) });
  }

  private unfollow(envId: string): void {
    const followed = this.environments.get(envId);
    if (!followed || --followed.sockets > 0) return;
    followed.unsubscribe();
    this.environments.delete(envId);
  }

  private changed(change: RunChange): void {
    const pending = this.repeating.get(change.runId);
    if (pending && pending.seq >= change.seq) return;
    pending?.timers.forEach(clearTimeout);
    this.repeating.delete(change.runId);
    const room = roomOf(change.envId, change.runId);
    if (!change.notify || !this.server?.of(NAMESPACE).adapter.rooms.has(room)) return;
    const send = () => this.server?.of(NAMESPACE).to(room).emit("run:notify", notice(change.runId));
    send();
    const timers = REPEAT_AFTER_MS.map((ms) => setTimeout(send, ms));
    const last = setTimeout(() => this.repeating.delete(change.runId), (REPEAT_AFTER_MS.at(-1) ?? 0) + 1);
    this.repeating.set(change.runId, { seq: change.seq, timers: [...timers, last] });
  }
}

function roomOf(envId: string, runId: string): string {
  return `${envId}:${runId}`;
}

function notice(runId: string) {
  return { version: "1", run: { friendlyId: friendlyId("run", runId) } };
}
