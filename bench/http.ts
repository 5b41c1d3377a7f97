/**
 * A small HTTP/1.1 client: one keep-alive connection, one request at a time. `node:http` costs four times as much per
 * request, which on two shared cores would be taken from the server under test.
 */
import { connect, type Socket } from "node:net";

export type Answer = { status: number; body: string };

type Waiting = { resolve(answer: Answer): void; reject(error: Error): void };

export class Connection {
  readonly #socket: Socket;
  readonly #host: string;
  readonly #headers: string;
  #buffer: Buffer = Buffer.alloc(0);
  #waiting: Waiting | undefined;
  #closed: Error | undefined;

  /** `headers` go with every request. Connects lazily: errors surface in the first request. */
  constructor(origin: URL, headers: Readonly<Record<string, string>>) {
    this.#host = origin.host;
    this.#headers = Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("");
    this.#socket = connect({ host: origin.hostname, port: Number(origin.port), noDelay: true });
    this.#socket.on("data", (chunk) => this.#receive(chunk));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error("the server closed the connection")));
  }

  /** One exchange. Rejects when the connection ends; a caller must not start the next before this one has settled. */
  post(path: string, body: string, headers = ""): Promise<Answer> {
    return this.#send(
      `POST ${path} HTTP/1.1\r\nhost: ${this.#host}\r\n${this.#headers}${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
    );
  }

  get(path: string): Promise<Answer> {
    return this.#send(`GET ${path} HTTP/1.1\r\nhost: ${this.#host}\r\n${this.#headers}\r\n`);
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(request: string): Promise<Answer> {
    if (this.#closed) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  #receive(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    const parsed = parseAnswer(this.#buffer);
    if (!parsed) return;
    this.#buffer = Buffer.from(this.#buffer.subarray(parsed.bytes));
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(parsed.answer);
  }

  #fail(error: Error): void {
    this.#closed ??= error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }
}

/** The first complete answer in `data` and its length, or undefined while it is incomplete. Knows lengths and chunks. */
export function parseAnswer(data: Buffer): { answer: Answer; bytes: number } | undefined {
  const headEnd = data.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const head = data.toString("latin1", 0, headEnd);
  const status = Number(head.slice(9, 12));
  const start = headEnd + 4;
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return parseChunks(data, start, status);
  const length = status === 204 || status === 304 ? 0 : Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  if (data.length < start + length) return undefined;
  return { answer: { status, body: data.toString("utf8", start, start + length) }, bytes: start + length };
}

function parseChunks(data: Buffer, from: number, status: number): { answer: Answer; bytes: number } | undefined {
  const parts: Buffer[] = [];
  for (let at = from; ; ) {
    const lineEnd = data.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(data.toString("latin1", at, lineEnd), 16);
    const end = lineEnd + 2 + size + 2;
    if (data.length < end) return undefined;
    if (size === 0) return { answer: { status, body: Buffer.concat(parts).toString("utf8") }, bytes: end };
    parts.push(data.subarray(lineEnd + 2, end - 2));
    at = end;
  }
}
