/** The agent's calls to the server. Those on behalf of a run are passed on as they came; everything else is parsed. */
import type { IncomingMessage } from "node:http";
import type { z } from "zod";
import {
  AGENT_PATHS,
  changesAnswerSchema,
  connectAnswerSchema,
  desiredDeploymentSchema,
  desiredStateSchema,
  INSTANCE_NAME_HEADER,
  MAX_WAIT_MS,
  reportAnswerSchema,
  RUNNER_ID_HEADER,
  WORKER_ACTIONS_PATH,
  type ChangesAnswer,
  type ConnectAnswer,
  type ConnectMetadata,
  type DesiredDeployment,
  type DesiredState,
  type ReportAnswer,
  type ReportInput,
} from "../protocol";
import { HttpClient, type HttpAnswer, type HttpRequest } from "./http";
import { dequeuedMessageSchema, type DequeuedMessage } from "./messages";

/** Time beyond the server's hold until a held call counts as lost; milliseconds. */
const HOLD_MARGIN_MS = 10_000;

/** The server answered, and the answer is no. `text` is what it said. */
export class ServerRefusal extends Error {
  constructor(
    readonly status: number,
    readonly text: string,
    what: string
  ) {
    super(`${what}: ${status}: ${text}`);
    this.name = "ServerRefusal";
  }
}

export type ServerClientOptions = { url: string; token: string; instanceName: string };

/** One agent's view of its server. */
export class ServerClient {
  readonly headers: Record<string, string>;
  private readonly http: HttpClient;

  constructor(readonly options: ServerClientOptions) {
    this.headers = { authorization: `Bearer ${options.token}`, [INSTANCE_NAME_HEADER]: options.instanceName };
    this.http = new HttpClient(options.url, this.headers);
  }

  /** Announces what this agent can do. Throws `ServerRefusal` 401 for a token that is unknown or revoked. */
  connect(metadata: ConnectMetadata): Promise<ConnectAnswer> {
    return this.call(connectAnswerSchema, "POST", `${WORKER_ACTIONS_PATH}/connect`, { body: JSON.stringify({ metadata }) });
  }

  /** Runs for this agent, at most `maxRunCount`; held up to `waitMs` while there is none. */
  dequeue(input: { maxRunCount: number; waitMs: number }, signal: AbortSignal): Promise<DequeuedMessage[]> {
    return this.call(dequeuedMessageSchema.array(), "POST", `${WORKER_ACTIONS_PATH}/dequeue`, {
      body: JSON.stringify(input),
      timeoutMs: input.waitMs + HOLD_MARGIN_MS,
      signal,
    });
  }

  /** Everything that this agent keeps running. */
  desired(): Promise<DesiredState> {
    return this.call(desiredStateSchema, "GET", AGENT_PATHS.desired);
  }

  /** Held until something changed after `after`. */
  changes(after: number, signal: AbortSignal): Promise<ChangesAnswer> {
    const path = `${AGENT_PATHS.changes}?after=${after}&waitMs=${MAX_WAIT_MS}`;
    return this.call(changesAnswerSchema, "GET", path, { timeoutMs: MAX_WAIT_MS + HOLD_MARGIN_MS, signal });
  }

  /** One version, desired here or not. */
  deployment(id: string): Promise<DesiredDeployment> {
    return this.call(desiredDeploymentSchema, "GET", AGENT_PATHS.deployment(id));
  }

  /** The whole set of instances; counts as a heartbeat. */
  report(report: ReportInput): Promise<ReportAnswer> {
    return this.call(reportAnswerSchema, "POST", AGENT_PATHS.report, { body: JSON.stringify(report) });
  }

  /** Bytes of a release from `offset` on: status 200 (whole) or 206. Throws `ServerRefusal` otherwise. */
  async openRelease(digest: string, offset: number, signal: AbortSignal): Promise<IncomingMessage> {
    const headers: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
    const answer = await this.http.open("GET", AGENT_PATHS.release(digest), { headers, signal });
    if (answer.statusCode === 200 || answer.statusCode === 206) return answer;
    answer.resume();
    throw new ServerRefusal(answer.statusCode ?? 0, answer.statusMessage ?? "", `release ${digest}`);
  }

  /** A call of a run's process, passed on as it is. `path` begins with `/runs/`. Any status is an answer. */
  forward(method: string, path: string, input: { runner: string; environmentId: string; body?: Buffer | string }): Promise<HttpAnswer> {
    const headers: Record<string, string> = {
      [RUNNER_ID_HEADER]: input.runner,
      "x-trigger-worker-environment-id": input.environmentId,
      ...(input.body === undefined ? {} : { "content-type": "application/json" }),
    };
    return this.http.request(method, `${WORKER_ACTIONS_PATH}${path}`, { body: input.body, headers });
  }

  /** Gives back a run that was never started. */
  async release(run: { runId: string; snapshotId: string; runner: string; environmentId: string }, reason: string): Promise<void> {
    const path = `/runs/${run.runId}/snapshots/${run.snapshotId}/release`;
    const answer = await this.forward("POST", path, { ...run, body: JSON.stringify({ reason: reason.slice(0, 256) || "not started" }) });
    if (answer.status >= 400) throw new ServerRefusal(answer.status, textOf(answer), path);
  }

  close(): void {
    this.http.close();
  }

  private async call<T>(schema: z.ZodType<T>, method: string, path: string, request: HttpRequest = {}): Promise<T> {
    const headers: Record<string, string> = request.body === undefined ? {} : { "content-type": "application/json" };
    const answer = await this.http.request(method, path, { ...request, headers });
    if (answer.status >= 300) throw new ServerRefusal(answer.status, textOf(answer), `${method} ${path}`);
    const parsed = schema.safeParse(JSON.parse(answer.body.toString("utf8")));
    if (parsed.success) return parsed.data;
    throw new Error(`${method} ${path} answered what this agent does not understand: ${parsed.error.message}`);
  }
}

/** The error text of an answer: the `error` field, or the beginning of the body. */
export function textOf(answer: HttpAnswer): string {
  const text = answer.body.toString("utf8");
  try {
    const body = JSON.parse(text) as { error?: unknown };
    if (typeof body.error === "string") return body.error;
  } catch {
    // Not ours: a proxy's page, say.
  }
  return text.slice(0, 500);
}
