/**
 * Tells workers over socket.io that a run they follow changed: dev sessions on `/dev-worker`, agents on `/worker`. Clients
 * ignore notices while they handle one and acknowledge nothing, so a notice is repeated while its snapshot is the latest.
 */
import type { Server as HttpServer } from "node:http";
import { Server, type Namespace, type Socket } from "socket.io";
import { z } from "zod";
import type { AgentAuthenticator, AgentCaller, Auth } from "../auth/types";
import type { ConfigChanges, EnvironmentView } from "../environments/types";
import { errorMessage, type Logger } from "../platform/logger";
import { AppError } from "../utils/appError";
import { friendlyId, parseFriendlyId } from "../utils/ids";
import type { RunPlaces } from "./dequeue/runPlaces.server";
import type { RunChange, RunFeed } from "./types";

const SESSIONS = "/dev-worker";
const AGENTS = "/worker";
const PATH = "/socket.io/";
const REPEAT_AFTER_MS = [150, 500, 1_500] as const;
const MAX_RUNS_A_MESSAGE = 1_000;

const subscription = z.object({ runFriendlyIds: z.array(z.string().max(64)).max(MAX_RUNS_A_MESSAGE) });

/** Who is connected, and the environments whose changes are followed for it. */
type SocketData = {
  caller: { kind: "session"; env: EnvironmentView; key: string } | { kind: "agent"; agent: AgentCaller };
  followed: Set<string>;
};
type WorkerSocket = Socket<Record<string, never>, Record<string, never>, Record<string, never>, SocketData>;
type NotificationDeps = {
  auth: Pick<Auth, "secretKey">;
  agents: AgentAuthenticator;
  places: RunPlaces;
  feed: RunFeed;
  changes: ConfigChanges;
  log: Logger;
};
type Followed = { sockets: number; unsubscribe: () => void };
type RunRoom = { envId: string; runId: string };

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
    this.serve(this.server.of(SESSIONS), (socket) => this.session(socket));
    this.serve(this.server.of(AGENTS), (socket) => this.agent(socket));
    this.unsubscribe = this.deps.changes.subscribe((change) => {
      if (change.scope === "key" || change.scope === "environment" || change.scope === "everything") void this.recheck(change.id);
    });
  }

  private serve(namespace: Namespace, callerOf: (socket: WorkerSocket) => Promise<SocketData["caller"]>): void {
    namespace.use((socket, next) => {
      callerOf(socket as WorkerSocket).then(
        (caller) => {
          socket.data = { caller, followed: new Set() } satisfies SocketData;
          next();
        },
        () => next(new Error("unauthorized"))
      );
    });
    namespace.on("connection", (socket) => this.connected(socket as WorkerSocket));
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

  private async session(socket: WorkerSocket): Promise<SocketData["caller"]> {
    const key = socket.handshake.headers.authorization ?? "";
    return { kind: "session", env: (await this.caller(key)).env, key };
  }

  private async agent(socket: WorkerSocket): Promise<SocketData["caller"]> {
    const headers = new Headers();
    for (const [name, value] of Object.entries(socket.handshake.headers)) if (typeof value === "string") headers.set(name, value);
    return { kind: "agent", agent: await this.deps.agents.authenticate(headers) };
  }

  private caller(authorization: string) {
    return this.deps.auth.secretKey(new Request("http://socket.local/", { headers: { authorization } }));
  }

  /** A revoked key ends its sockets. */
  private async recheck(envId: string | null): Promise<void> {
    for (const socket of (this.server?.of(SESSIONS).sockets.values() ?? []) as Iterable<WorkerSocket>) {
      const { caller } = socket.data;
      if (caller.kind !== "session" || (envId !== null && caller.env.id !== envId)) continue;
      await this.caller(caller.key).catch(() => socket.disconnect(true));
    }
  }

  private connected(socket: WorkerSocket): void {
    const { caller, followed } = socket.data;
    if (caller.kind === "session") this.follow(socket.data, caller.env.id);
    socket.on("disconnect", () => {
      for (const envId of followed) this.unfollow(envId);
      followed.clear();
    });
    socket.on("run:subscribe", (message: unknown) => this.rooms(socket, message, (rooms) => this.join(socket, rooms)));
    socket.on("run:unsubscribe", (message: unknown) =>
      this.rooms(socket, message, (rooms) => rooms.forEach((room) => socket.leave(nameOf(room))))
    );
  }

  private join(socket: WorkerSocket, rooms: RunRoom[]): unknown {
    // It may have gone while the rooms were looked up; nobody would unfollow for it then.
    if (!socket.connected) return undefined;
    for (const { envId } of rooms) this.follow(socket.data, envId);
    return socket.join(rooms.map(nameOf));
  }

  private rooms(socket: WorkerSocket, message: unknown, use: (rooms: RunRoom[]) => unknown): void {
    const parsed = subscription.safeParse(message);
    if (!parsed.success) return;
    const ids = parsed.data.runFriendlyIds.map((id) => parseFriendlyId("run", id)).filter((id) => id !== null);
    this.locate(socket.data.caller, ids)
      .then(use)
      .catch((error: unknown) => this.deps.log.warn("socket.room_failed", { message: errorMessage(error) }));
  }

  /** A session's runs are those of its environment; an agent's those that its region hands out, others are left out. */
  private async locate(caller: SocketData["caller"], ids: readonly string[]): Promise<RunRoom[]> {
    if (caller.kind === "session") return ids.map((runId) => ({ envId: caller.env.id, runId }));
    const region = caller.agent.region.name;
    const found = await Promise.all(
      ids.map((runId) =>
        this.deps.places.requireIn(region, runId).then(
          (envId) => ({ envId, runId }),
          (error: unknown) => {
            if (error instanceof AppError) return null;
            throw error;
          }
        )
      )
    );
    return found.filter((room) => room !== null);
  }

  private follow(data: SocketData, envId: string): void {
    if (data.followed.has(envId)) return;
    data.followed.add(envId);
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
    const room = nameOf(change);
    const listening = [SESSIONS, AGENTS].filter((namespace) => this.server?.of(namespace).adapter.rooms.has(room));
    if (!change.notify || listening.length === 0) return;
    const send = () => listening.forEach((namespace) => this.server?.of(namespace).to(room).emit("run:notify", notice(change.runId)));
    send();
    const timers = REPEAT_AFTER_MS.map((ms) => setTimeout(send, ms));
    const last = setTimeout(() => this.repeating.delete(change.runId), (REPEAT_AFTER_MS.at(-1) ?? 0) + 1);
    this.repeating.set(change.runId, { seq: change.seq, timers: [...timers, last] });
  }
}

function nameOf({ envId, runId }: RunRoom): string {
  return `${envId}:${runId}`;
}

function notice(runId: string) {
  return { version: "1", run: { friendlyId: friendlyId("run", runId) } };
}
