/** Stands between the CLI and a server: notes what was asked, and lets a test answer or change one call. */
import { createServer, request as httpRequest, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** A call that the CLI made; `body` is null unless it was JSON. */
export type SeenCall = { method: string; path: string; headers: IncomingHttpHeaders; body: Record<string, unknown> | null };
export type ProxyAnswer = { status: number; headers?: IncomingHttpHeaders; body: string };
/** Null leaves the call to the server; `forward` asks it. */
export type Intercept = (call: SeenCall, forward: () => Promise<ProxyAnswer>) => Promise<ProxyAnswer | null>;

type Target = { port: number };

export class RecordingProxy {
  readonly seen: SeenCall[] = [];
  intercept: Intercept | null = null;

  private constructor(
    private readonly server: Server,
    readonly origin: string
  ) {}

  /** Listens at once; `target` is asked for each call, so that the server may start later. */
  static async start(target: () => Target): Promise<RecordingProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const proxy = new RecordingProxy(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on("request", (request, response) => {
      void (async () => {
        const bytes = await buffer(request);
        const { method = "GET", url = "/", headers } = request;
        const call = { method, path: url, headers, body: jsonOf(bytes, headers) };
        proxy.seen.push(call);
        const forward = () => ask(target(), { method, path: url, headers }, bytes);
        const answer = (await proxy.intercept?.(call, forward)) ?? (await forward());
        response.writeHead(answer.status, contentHeaders(answer.headers)).end(answer.body);
      })().catch(() => response.destroy());
    });
    return proxy;
  }

  /** Calls of one method whose path matches. */
  calls(method: string, path: RegExp): SeenCall[] {
    return this.seen.filter((call) => call.method === method && path.test(call.path));
  }

  /** Forgets what was seen, and changes nothing any more. */
  reset(): void {
    this.seen.length = 0;
    this.intercept = null;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

function ask(target: Target, call: { method: string; path: string; headers: IncomingHttpHeaders }, bytes: Buffer): Promise<ProxyAnswer> {
  return new Promise((resolve, reject) => {
    // The caller's Host goes along: the server names it in the address of the upload.
    const outgoing = httpRequest({ host: "127.0.0.1", port: target.port, agent: false, ...call }, (answer) => {
      const { statusCode: status = 502, headers } = answer;
      buffer(answer).then((body) => resolve({ status, headers, body: body.toString() }), reject);
    });
    outgoing.once("error", reject);
    outgoing.end(bytes);
  });
}

function jsonOf(bytes: Buffer, headers: IncomingHttpHeaders): Record<string, unknown> | null {
  if (!headers["content-type"]?.includes("json") || bytes.length === 0) return null;
  return JSON.parse(bytes.toString()) as Record<string, unknown>;
}

/** Those of the answer; its length and coding are the proxy's own. */
function contentHeaders(headers: IncomingHttpHeaders = {}): IncomingHttpHeaders {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !/^(content-length|content-encoding|transfer-encoding)$/.test(name))
  );
}
