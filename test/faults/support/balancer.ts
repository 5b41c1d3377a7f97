/** What stands before several servers: a connection goes to one that takes it, and ends when that one ends. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

const LOOPBACK = "127.0.0.1";

export class Balancer {
  private turn = 0;
  private readonly sockets = new Set<Socket>();
  private constructor(
    private readonly server: Server,
    private readonly ports: readonly number[]
  ) {
    server.on("connection", (socket) => this.open(socket));
  }

  /** `ports` may be filled later: it is read for each connection. */
  static async start(ports: readonly number[]): Promise<Balancer> {
    const server = createServer({ allowHalfOpen: false });
    const balancer = new Balancer(server, ports);
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
    return balancer;
  }

  get origin(): string {
    return `http://${LOOPBACK}:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private open(socket: Socket): void {
    this.keep(socket);
    this.turn += 1;
    this.forward(socket, this.ports.length);
  }

  /** Tries one server after the other. */
  private forward(socket: Socket, tries: number): void {
    const port = this.ports[(this.turn + tries) % this.ports.length];
    if (tries === 0 || port === undefined) return void socket.destroy();
    const upstream = connect(port, LOOPBACK);
    this.keep(upstream);
    const refused = () => this.forward(socket, tries - 1);
    upstream.once("error", refused);
    upstream.once("connect", () => {
      upstream.off("error", refused);
      upstream.once("close", () => socket.destroy());
      socket.once("close", () => upstream.destroy());
      socket.pipe(upstream).pipe(socket);
    });
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => this.sockets.delete(socket));
  }
}
