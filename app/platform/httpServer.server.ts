/** The HTTP server's start and end. */
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** Longer than the idle timeout of common proxies, so that we are not the side that closes a connection in use. */
const KEEP_ALIVE_MS = 75_000;
const HEADERS_MS = 80_000;
const DRAIN_POLL_MS = 20;

export type HttpServer = {
  server: Server;
  /** Resolves with the port that was taken; rejects with what to do when it is in use. */
  listen(port: number, host: string): Promise<number>;
  /** Stops accepting, lets requests in flight end for at most `graceMs`, then cuts what is left. */
  close(graceMs: number): Promise<void>;
};

/** A server that answers with `listener`. */
export function createHttpServer(listener: RequestListener): HttpServer {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: HEADERS_MS }, listener);
  return {
    server,
    listen: (port, host) => listen(server, port, host),
    close: (graceMs) => close(server, graceMs),
  };
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "EADDRINUSE"
          ? new Error(`Port ${port} on ${host} is in use. Stop what listens there, or choose another with PORT.`)
          : error
      );
    });
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

async function close(server: Server, graceMs: number): Promise<void> {
  let open = true;
  server.close(() => {
    open = false;
  });
  const deadline = Date.now() + graceMs;
  while (open && Date.now() < deadline) {
    // A connection becomes idle when its answer is out; nobody else would close it.
    server.closeIdleConnections();
    await delay(DRAIN_POLL_MS);
  }
  if (open) server.closeAllConnections();
}
