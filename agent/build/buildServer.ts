/** A builder's calls to the server. */
import { createReadStream, createWriteStream } from "node:fs";
import http from "node:http";
import https from "node:https";
import { pipeline } from "node:stream/promises";
import type { z } from "zod";
import { AGENT_PATHS } from "../protocol";
import { collect, HttpClient, type HttpRequest } from "../server/http";
import { ServerRefusal, textOf } from "../server/serverClient";
import {
  BUILD_PATHS,
  claimAnswerSchema,
  heartbeatAnswerSchema,
  RELEASE_NODE_ABI_HEADER,
  RELEASE_PLATFORM_HEADER,
  type BuildAssignment,
  type BuildJobRef,
  type BuildLogLine,
  type BuildOutcome,
  type HeartbeatAnswer,
} from "./protocol";
import type { PackedRelease } from "./release/pack";

/** Beyond the server's hold, until a held call counts as lost; milliseconds. */
const HOLD_MARGIN_MS = 10_000;
const TRANSFER_TIMEOUT_MS = 10 * 60_000;
const TRIES = 5;
const FIRST_DELAY_MS = 300;

export type BuildServerOptions = {
  url: string;
  /** `authorization` and the name of the agent. */
  headers: Record<string, string>;
};

export class BuildServer {
  private readonly http: HttpClient;

  constructor(readonly options: BuildServerOptions) {
    this.http = new HttpClient(options.url, options.headers);
  }

  /** A build, or null when there was none for `waitMs`. */
  async claim(waitMs: number, signal: AbortSignal): Promise<BuildAssignment | null> {
    const request = { body: JSON.stringify({ waitMs }), signal, timeoutMs: waitMs + HOLD_MARGIN_MS };
    return (await this.call(BUILD_PATHS.claim, request, claimAnswerSchema)).build;
  }

  /** One try: the next heartbeat is a second away. */
  heartbeat(job: BuildJobRef): Promise<HeartbeatAnswer> {
    return this.call(BUILD_PATHS.heartbeat, { body: JSON.stringify(refOf(job)), timeoutMs: 5_000 }, heartbeatAnswerSchema);
  }

  /** Throws `ServerRefusal` once the build is not this agent's any more. */
  log(job: BuildJobRef, lines: BuildLogLine[]): Promise<void> {
    return persist(() => this.send(BUILD_PATHS.log, { ...refOf(job), lines }));
  }

  done(job: BuildJobRef, outcome: BuildOutcome): Promise<void> {
    return persist(() => this.send(BUILD_PATHS.done, { ...refOf(job), outcome }));
  }

  /** Writes the archive that the build starts from to `file`. */
  async download(job: BuildJobRef, which: "source" | "bundle", file: string, signal: AbortSignal): Promise<void> {
    await persist(async () => {
      const what = BUILD_PATHS.artifact(job, which);
      const answer = await this.http.open("GET", what, { signal });
      if (answer.statusCode !== 200) {
        const body = await collect(answer);
        throw new ServerRefusal(answer.statusCode ?? 0, textOf({ status: answer.statusCode ?? 0, headers: answer.headers, body }), which);
      }
      await pipeline(answer, createWriteStream(file, { mode: 0o600 }), { signal });
    });
  }

  /** Stores a packed release with the build's token; nothing is sent twice when the server has it. */
  upload(token: string, release: PackedRelease, file: string, signal: AbortSignal): Promise<void> {
    const path = AGENT_PATHS.release(release.digest);
    return persist(async () => {
      const head = await this.http.request("HEAD", path, { signal });
      const length = head.status === 200 ? 0 : release.bytes;
      await this.put(path, { token, file: head.status === 200 ? null : file, length, signal });
    });
  }

  close(): void {
    this.http.close();
  }

  /** `node:http` by hand: bodies of `HttpClient` are in memory, releases are not. */
  private async put(path: string, upload: { token: string; file: string | null; length: number; signal: AbortSignal }): Promise<void> {
    const url = new URL(path, `${this.options.url.replace(/\/+$/, "")}/`);
    const headers = {
      authorization: `Bearer ${upload.token}`,
      "content-type": "application/gzip",
      "content-length": upload.length,
      [RELEASE_PLATFORM_HEADER]: `${process.platform}-${process.arch}`,
      [RELEASE_NODE_ABI_HEADER]: process.versions.modules,
    };
    const request = (url.protocol === "https:" ? https : http).request(url, {
      method: "PUT",
      headers,
      signal: upload.signal,
      timeout: TRANSFER_TIMEOUT_MS,
    });
    const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
      request.once("response", resolve);
      request.once("error", reject);
    });
    answered.catch(() => undefined);
    // A refusal may come before the body is sent; the answer counts, not the broken pipe.
    if (upload.file === null) request.end();
    else await pipeline(createReadStream(upload.file), request).catch(() => undefined);
    const answer = await answered;
    const body = await collect(answer);
    const status = answer.statusCode ?? 0;
    if (status >= 300) throw new ServerRefusal(status, textOf({ status, headers: answer.headers, body }), "upload of the release");
  }

  private async send(path: string, body: unknown): Promise<void> {
    const answer = await this.http.request("POST", path, { body: JSON.stringify(body), headers: { "content-type": "application/json" } });
    if (answer.status >= 300) throw new ServerRefusal(answer.status, textOf(answer), path);
  }

  private async call<T>(path: string, request: HttpRequest, schema: z.ZodType<T>): Promise<T> {
    const answer = await this.http.request("POST", path, { ...request, headers: { "content-type": "application/json" } });
    if (answer.status >= 300) throw new ServerRefusal(answer.status, textOf(answer), path);
    return schema.parse(JSON.parse(answer.body.toString("utf8")));
  }
}

function refOf({ deploymentId, attempt }: BuildJobRef): BuildJobRef {
  return { deploymentId, attempt };
}

/** Tries again while the server is away or asks for it; a refusal is thrown at once. About 5 s in all. */
async function persist<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const refused = error instanceof ServerRefusal && error.status < 500 && error.status !== 429 && error.status !== 408;
      const aborted = error instanceof Error && error.name === "AbortError";
      if (refused || aborted || attempt >= TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, FIRST_DELAY_MS * 2 ** (attempt - 1)));
    }
  }
}
