/**
 * What run controllers talk to: the workload API, and the warm-start service. Listens on the loopback interface only.
 * Every call names its process by a secret; a process is served for the run that it was given and for no other.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { errorMessage, type Logger } from "../../app/platform/logger";
import { SUSPEND_REFUSED } from "../protocol";
import type { Launcher } from "../replicas/launcher";
import type { AssignedRun, Replica } from "../replicas/replica";
import type { ReplicaSet } from "../replicas/replicaSet";
import type { Supervisor } from "../replicas/supervisor";
import { collect, type HttpAnswer } from "../server/http";
import { completeAnswerSchema, completionBodySchema, startAnswerSchema } from "../server/messages";
import type { ServerClient } from "../server/serverClient";
import { isFinal, type Spool, type Spooled } from "./spool";
import { withProjectPaths } from "./stackTraces";
import { answer, CONNECTION_TIMEOUT_MS, KEEPALIVE_MS, type WarmStarts } from "./warmStarts";

const HOST = "127.0.0.1";
/** The same port is taken again after a crash; the old socket may need a moment to go. */
const PORT_TRIES = 20;
const PORT_RETRY_MS = 250;
/** A completion waits this long for the server's own answer; then the process goes on without it. */
const COMPLETE_WAIT_MS = 3_000;
const FINAL = { "x-should-retry": "false" };

export type WorkloadServerOptions = {
  set: ReplicaSet;
  warmStarts: WarmStarts;
  server: Pick<ServerClient, "forward">;
  spool: Pick<Spool, "deliver">;
  launcher: Pick<Launcher, "taskVariables">;
  supervisor: Pick<Supervisor, "asksForWork" | "remember" | "drain" | "releaseDirOf">;
  /** A run showed that it was taken. */
  onTaken(replica: Replica, run: AssignedRun): void;
  /** An attempt ended; milliseconds since the hand-over. */
  onCompleted(replica: Replica, ms: number): void;
  log: Logger;
  now(): number;
};

type Call = { method: string; path: string; run: AssignedRun; replica: Replica; action: string; snapshotId: string | null };

export class WorkloadServer {
  readonly http: Server;
  private readonly reporting = new Set<Replica>();

  constructor(private readonly options: WorkloadServerOptions) {
    this.http = createServer((request, response) => {
      this.handle(request, response).catch((error: unknown) => {
        this.options.log.warn("workload.failed", { path: request.url, message: errorMessage(error) });
        answer(response, 503, { error: "The server could not be reached." });
      });
    });
    this.http.keepAliveTimeout = 120_000;
    this.http.requestTimeout = 0;
  }

  /** Takes `wanted`, waiting for it a few seconds; another port when it stays taken. Resolves with the port. */
  async listen(wanted: number | null): Promise<number> {
    for (let tries = 0; wanted !== null && tries < PORT_TRIES; tries++) {
      if (await this.tryListen(wanted)) return wanted;
      await new Promise((resolve) => setTimeout(resolve, PORT_RETRY_MS));
    }
    if (!(await this.tryListen(0))) throw new Error("No port could be opened for the workload server.");
    return this.port;
  }

  get port(): number {
    const address = this.http.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  /** The end of its attempt is on its way to the server. */
  isReporting(replica: Replica): boolean {
    return this.reporting.has(replica);
  }

  /** Cuts what is open: processes come back to the next agent. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.http.close(() => resolve()));
    this.http.closeAllConnections();
    await closed;
  }

  private tryListen(port: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException) => (error.code === "EADDRINUSE" ? resolve(false) : reject(error));
      this.http.once("error", failed);
      this.http.listen(port, HOST, () => {
        this.http.off("error", failed);
        resolve(true);
      });
    });
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "").split("?")[0] ?? "";
    if (path === "/connect") return answer(response, 200, { connectionTimeoutMs: CONNECTION_TIMEOUT_MS, keepaliveMs: KEEPALIVE_MS });
    if (path === "/warm-start") return this.warmStart(request, response);
    const match = /^\/api\/v1\/workload-actions(\/runs\/([^/]+)(?:\/snapshots\/([^/]+))?\/.+)$/.exec(path);
    if (!match) return answer(response, 404, { error: `This agent has no ${path}.` }, FINAL);
    const body = await collect(request);
    const call = this.admit(request, match);
    if ("refusal" in call) return answer(response, call.status, { error: call.refusal }, FINAL);
    return this.serve(call, body, response);
  }

  /** Who calls, and for which run; or why not. */
  private admit(request: IncomingMessage, match: RegExpExecArray): Call | { status: number; refusal: string } {
    const [, path = "", runId = "", snapshotId = null] = match;
    const replica = this.options.set.bySecret(request.headers["x-trigger-workload-runner-id"]);
    if (!replica) return { status: 401, refusal: "No process of this agent has this runner id." };
    if (replica.run?.runId !== runId) return { status: 403, refusal: "This process was not given this run." };
    const action = path.replace(/^\/runs\/[^/]+(\/snapshots\/(?!since\/)[^/]+)?\//, "");
    return { method: request.method ?? "GET", path, run: replica.run, replica, action, snapshotId };
  }

  private async serve(call: Call, body: Buffer, response: ServerResponse): Promise<void> {
    switch (call.action) {
      case "attempts/start":
        return this.start(call, body, response);
      case "attempts/complete":
        return this.complete(call, body, response);
      case "suspend":
        return answer(response, 200, { ok: false, error: SUSPEND_REFUSED });
      case "logs/debug":
        return answer(response, 200, {});
      case "heartbeat":
      case "continue":
      case "snapshots/latest":
        return pass(response, await this.forward(call, body));
      default:
        if (call.action.startsWith("snapshots/since/")) return pass(response, await this.forward(call, body));
        return answer(response, 404, { error: `This agent has no ${call.action}.` }, FINAL);
    }
  }

  /** The poll of an idle process. It says no more than who it is, and that is enough: it has no run now. */
  private async warmStart(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const replica = this.options.set.bySecret(request.headers["x-trigger-workload-controller-id"]);
    if (!replica || replica.phase === "gone") return answer(response, 401, { error: "No process of this agent has this controller id." });
    if (
      request.headers["x-trigger-deployment-id"] !== replica.version.friendlyId ||
      request.headers["x-trigger-deployment-version"] !== replica.version.version
    )
      return answer(response, 409, { error: "This process was started for another version." });
    this.options.warmStarts.hold(replica, response);
    await this.options.supervisor.asksForWork(replica);
  }

  private async start(call: Call, body: Buffer, response: ServerResponse): Promise<void> {
    const { run, replica } = call;
    this.taken(call);
    const reply = await this.forward(call, body);
    const parsed = reply.status === 200 ? startAnswerSchema.safeParse(JSON.parse(reply.body.toString("utf8"))) : null;
    if (!parsed?.success) return pass(response, reply);
    run.started = true;
    run.completed = false;
    run.snapshotId = parsed.data.snapshot.friendlyId;
    this.options.supervisor.remember(replica);
    const added = this.options.launcher.taskVariables(replica);
    answer(response, 200, { ...parsed.data, envVars: { ...added, ...parsed.data.envVars, SLUICE_REPLICA: replica.name } });
  }

  private async complete(call: Call, body: Buffer, response: ServerResponse): Promise<void> {
    const { run, replica } = call;
    const text = body.toString("utf8");
    const completion = completionBodySchema.safeParse(parseOrNull(text));
    if (!completion.success) return answer(response, 400, { error: `Not a completion: ${completion.error.message}` }, FINAL);
    const dir = this.options.supervisor.releaseDirOf(replica);
    const item: Spooled = {
      runId: run.runId,
      snapshotId: call.snapshotId ?? run.snapshotId,
      environmentId: run.environmentId,
      runner: replica.name,
      body: dir === null ? text : withProjectPaths(text, dir),
      at: this.options.now(),
    };
    this.reporting.add(replica);
    const reply = await this.options.spool.deliver(item, COMPLETE_WAIT_MS).finally(() => this.reporting.delete(replica));
    // The process of the task was cancelled or died. With `processKeepAlive` the controller may hand its next run to one that
    // is still dying, and report that run as cancelled: it gets none.
    if (completion.data.completion.error?.type === "INTERNAL_ERROR") this.options.supervisor.drain(replica);
    if (reply) {
      this.ended(call, reply);
      return pass(response, reply);
    }
    // The disk has it. A retry goes to the queue: this process cannot be told yet whether it may have it.
    const { ok, retry } = completion.data.completion;
    const attemptStatus = !ok && retry ? "RETRY_QUEUED" : "RUN_FINISHED";
    run.completed = true;
    this.options.log.warn("completion.spooled", { runId: run.runId, attemptStatus });
    const at = new Date(this.options.now()).toISOString();
    const snapshot = {
      id: item.snapshotId.replace(/^snapshot_/, ""),
      friendlyId: item.snapshotId,
      executionStatus: "FINISHED",
      description: "kept for the server",
      createdAt: at,
    };
    answer(response, 200, {
      result: { attemptStatus, snapshot, run: { id: run.runId.replace(/^run_/, ""), friendlyId: run.runId, status: "EXECUTING" } },
    });
  }

  private ended(call: Call, reply: HttpAnswer): void {
    const parsed = reply.status === 200 ? completeAnswerSchema.safeParse(parseOrNull(reply.body.toString("utf8"))) : null;
    const again = parsed?.success === true && parsed.data.result.attemptStatus === "RETRY_IMMEDIATELY";
    call.run.completed = !again;
    if (again && parsed.success) call.run.snapshotId = parsed.data.result.snapshot.friendlyId;
    this.options.onCompleted(call.replica, this.options.now() - call.run.since);
    this.options.supervisor.remember(call.replica);
  }

  private taken({ run, replica }: Call): void {
    if (run.taken) return;
    run.taken = true;
    run.message = null;
    this.options.onTaken(replica, run);
  }

  private forward({ method, path, replica, run }: Call, body: Buffer): Promise<HttpAnswer> {
    return this.options.server.forward(method, path, {
      runner: replica.name,
      environmentId: run.environmentId,
      ...(body.length > 0 ? { body } : {}),
    });
  }
}

/** The server's answer as it is; only the headers that a client acts on. */
function pass(response: ServerResponse, reply: HttpAnswer): void {
  if (response.destroyed) return;
  const retry = reply.headers["x-should-retry"];
  response.writeHead(reply.status, {
    "content-type": reply.headers["content-type"] ?? "application/json",
    "content-length": reply.body.length,
    ...(typeof retry === "string" ? { "x-should-retry": retry } : isFinal(reply) && reply.status >= 400 ? FINAL : {}),
  });
  response.end(reply.body);
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
