/** HTTP over kept connections. `node:http` rather than `fetch`: it costs the agent 15 MB less, and headers of a held call may take any time. */
import http from "node:http";
import https from "node:https";

export type HttpAnswer = { status: number; headers: http.IncomingHttpHeaders; body: Buffer };
export type HttpRequest = {
  body?: Buffer | string;
  headers?: Record<string, string>;
  /** Milliseconds for the whole answer. Default 15,000. */
  timeoutMs?: number;
  signal?: AbortSignal;
};

const DEFAULT_TIMEOUT_MS = 15_000;
/** An answer above this is not one of ours; bytes. Releases are streamed, not collected. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** Client of one origin, with headers that every call carries. */
export class HttpClient {
  private readonly agent: http.Agent;
  private readonly base: URL;

  /** `url` may have a path; it precedes every path. */
  constructor(
    url: string,
    private readonly headers: Record<string, string>
  ) {
    this.base = new URL(url);
    this.agent = new (this.base.protocol === "https:" ? https.Agent : http.Agent)({ keepAlive: true, maxSockets: 256 });
  }

  /** One call with its whole answer. Rejects when there is none: refused, cut, timed out, aborted. Any status is an answer. */
  async request(method: string, path: string, options: HttpRequest = {}): Promise<HttpAnswer> {
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(new Error(`${method} ${path}: no answer within ${timeoutMs} ms`)), timeoutMs);
    const signal = options.signal ? AbortSignal.any([options.signal, timeout.signal]) : timeout.signal;
    try {
      const response = await this.open(method, path, { ...options, signal });
      return { status: response.statusCode ?? 0, headers: response.headers, body: await collect(response) };
    } catch (error) {
      throw timeout.signal.aborted ? timeout.signal.reason : error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The answer as a stream; the caller reads it to its end or destroys it. No timeout but `signal`. */
  open(method: string, path: string, options: HttpRequest = {}): Promise<http.IncomingMessage> {
    const body = options.body;
    const url = new URL(this.base.pathname.replace(/\/$/, "") + path, this.base);
    const headers: Record<string, string | number> = { ...this.headers, ...options.headers };
    if (body !== undefined) headers["content-length"] = Buffer.byteLength(body);
    return new Promise((resolve, reject) => {
      const request = (url.protocol === "https:" ? https : http).request(url, {
        method,
        headers,
        agent: this.agent,
        signal: options.signal,
      });
      request.once("response", resolve);
      request.once("error", reject);
      request.end(body);
    });
  }

  /** Closes idle connections. */
  close(): void {
    this.agent.destroy();
  }
}

/** Body of a request or an answer, up to 64 MB. */
export async function collect(stream: http.IncomingMessage, maxBytes = MAX_BODY_BYTES): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) {
      stream.destroy();
      throw new Error(`A body of more than ${maxBytes} bytes was refused.`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
