/** News of runs from the server: its socket names runs whose snapshots changed. Lost news cost 5 s, since processes look for themselves. */
import { io, type Socket } from "socket.io-client";
import { z } from "zod";
import type { Logger } from "../../app/platform/logger";

const notifySchema = z.object({ run: z.object({ friendlyId: z.string() }) });

export type NotificationsOptions = {
  url: string;
  headers: Record<string, string>;
  log: Logger;
  onNotify(runId: string): void;
};

export class Notifications {
  private readonly runs = new Set<string>();
  private socket: Socket | undefined;

  constructor(private readonly options: NotificationsOptions) {}

  start(): void {
    const url = new URL(this.options.url);
    const socket = io(`${url.origin}/worker`, {
      transports: ["websocket"],
      extraHeaders: this.options.headers,
      reconnectionDelayMax: 5_000,
    });
    this.socket = socket;
    socket.on("connect", () => {
      if (this.runs.size > 0) socket.emit("run:subscribe", { version: "1", runFriendlyIds: [...this.runs] });
    });
    socket.on("run:notify", (event: unknown) => {
      const parsed = notifySchema.safeParse(event);
      if (parsed.success) this.options.onNotify(parsed.data.run.friendlyId);
    });
    socket.on("connect_error", (error) => this.retry(socket, error.message));
    socket.on("disconnect", (reason) => this.retry(socket, reason));
  }

  /** Asks for news of a run; asked again on every connection. */
  subscribe(runId: string): void {
    this.runs.add(runId);
    if (this.socket?.connected) this.socket.emit("run:subscribe", { version: "1", runFriendlyIds: [runId] });
  }

  unsubscribe(runId: string): void {
    if (this.runs.delete(runId) && this.socket?.connected) this.socket.emit("run:unsubscribe", { version: "1", runFriendlyIds: [runId] });
  }

  stop(): void {
    const { socket } = this;
    this.socket = undefined;
    socket?.disconnect();
  }

  /** The library gives up when the server itself refuses or disconnects; a server that restarts does both. */
  private retry(socket: Socket, reason: string): void {
    this.options.log.debug("notifications.away", { reason });
    if (socket.active || this.socket !== socket) return;
    setTimeout(() => {
      if (this.socket === socket) socket.connect();
    }, 2_000).unref();
  }
}
