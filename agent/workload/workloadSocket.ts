/** Socket of run controllers: tells a process that the server has news of its run, and hears that it has begun one. */
import type { Server as HttpServer } from "node:http";
import { Server, type Socket } from "socket.io";
import { z } from "zod";
import type { AssignedRun, Replica } from "../replicas/replica";
import type { ReplicaSet } from "../replicas/replicaSet";

const runEventSchema = z.object({ run: z.object({ friendlyId: z.string() }) });

export type WorkloadSocketOptions = {
  http: HttpServer;
  set: ReplicaSet;
  onTaken(replica: Replica, run: AssignedRun): void;
};

export class WorkloadSocket {
  private readonly io: Server;
  private readonly sockets = new Map<Replica, Socket>();

  constructor(private readonly options: WorkloadSocketOptions) {
    this.io = new Server(options.http, { transports: ["websocket"], serveClient: false, maxHttpBufferSize: 100_000 });
    const workload = this.io.of("/workload");
    workload.use((socket, next) => next(this.replicaOf(socket) ? undefined : new Error("unauthorized")));
    workload.on("connection", (socket) => this.connected(socket));
  }

  /** Makes the process of a run look at its snapshots. False when it is not connected: it looks every 5 s anyway. */
  notify(runId: string): boolean {
    const replica = this.options.set.byRun(runId);
    const socket = replica && this.sockets.get(replica);
    socket?.emit("run:notify", { version: "1", run: { friendlyId: runId } });
    return socket !== undefined;
  }

  async close(): Promise<void> {
    await this.io.close();
  }

  private replicaOf(socket: Socket): Replica | undefined {
    return this.options.set.bySecret(socket.handshake.headers["x-trigger-workload-runner-id"]);
  }

  private connected(socket: Socket): void {
    const replica = this.replicaOf(socket);
    if (!replica) return void socket.disconnect(true);
    this.sockets.set(replica, socket);
    socket.on("disconnect", () => {
      if (this.sockets.get(replica) === socket) this.sockets.delete(replica);
    });
    socket.on("run:start", (event: unknown) => {
      const parsed = runEventSchema.safeParse(event);
      const { run } = replica;
      if (!parsed.success || !run || run.runId !== parsed.data.run.friendlyId || run.taken) return;
      run.taken = true;
      run.message = null;
      this.options.onTaken(replica, run);
    });
    // `run:stop` needs nothing: the poll that follows it says the same, and so does the end of the process.
  }
}
