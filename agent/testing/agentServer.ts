/** The server's end of the protocol in the test's own process: enough of it to run an agent, with every answer in the test's hands. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Server as SocketServer } from "socket.io";
import type { DesiredDeployment, ReportInput } from "../protocol";
import { collect } from "../server/http";
import { answer } from "../workload/warmStarts";
import { dequeuedMessage, executionOf, outcomeOf, runOf, snapshotOf, type Completion, type TestRun } from "./wireMessages";

type Held = { response: ServerResponse; max: number; timer: NodeJS.Timeout };

/** A server whose runs live in memory. */
export class AgentServer {
  readonly token = "tr_wgt_test";
  readonly runs = new Map<string, TestRun>();
  readonly versions = new Map<string, DesiredDeployment>();
  readonly releases = new Map<string, Buffer>();
  /** The last report. */
  instances: ReportInput["instances"] = [];
  connected: Record<string, unknown> | null = null;
  /** Answers of `attempts/complete`: 0 hangs up, another number is the status of a refusal. */
  completeStatus = 200;
  /** What a release download does to the bytes. */
  corrupt: (bytes: Buffer, request: number) => Buffer = (bytes) => bytes;
  cutAfter: number | null = null;
  downloads: string[] = [];
  variables: Record<string, string> = {};
  private cursor = 1;
  private readonly http: Server = createServer((request, response) => void this.handle(request, response));
  private readonly io = new SocketServer(this.http, { transports: ["websocket"] });
  private readonly held = new Set<Held>();
  private readonly watchers = new Set<() => void>();
  private port = 0;

  async start(port = 0): Promise<this> {
    await new Promise<void>((resolve) => this.http.listen(port, "127.0.0.1", () => resolve()));
    const address = this.http.address();
    this.port = typeof address === "object" && address ? address.port : 0;
    this.io.of("/worker").on("connection", (socket) => {
      socket.on("run:subscribe", (event: { runFriendlyIds: string[] }) => void socket.join(event.runFriendlyIds));
      socket.on("run:unsubscribe", (event: { runFriendlyIds: string[] }) => event.runFriendlyIds.forEach((id) => void socket.leave(id)));
    });
    return this;
  }

  async stop(): Promise<void> {
    for (const held of this.held) clearTimeout(held.timer);
    await this.io.close();
    this.http.closeAllConnections();
    await new Promise<void>((resolve) => this.http.close(() => resolve()));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Keeps bytes as a release; their digest. */
  addRelease(file: string): string {
    const bytes = readFileSync(file);
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    this.releases.set(digest, bytes);
    return digest;
  }

  /** A version in the desired state. */
  desire(version: Partial<DesiredDeployment> & { id: string; releaseDigest: string }): DesiredDeployment {
    const full: DesiredDeployment = {
      friendlyId: `deployment_${version.id}`,
      version: "20261121.1",
      shortCode: "abcd1234",
      environmentId: "envprod",
      environmentSlug: "prod",
      environmentType: "PRODUCTION",
      projectId: "project1",
      projectRef: "proj_test",
      organizationId: "org1",
      contentHash: "hash",
      replicas: 1,
      machine: { name: "small-1x", cpu: 0.5, memory: 0.5 },
      runtime: "node",
      processKeepAlive: false,
      isCurrent: true,
      otlpEndpoint: `${this.url}/otel`,
      ...version,
    };
    this.versions.set(full.id, full);
    this.change();
    return full;
  }

  /** Takes a version out of the desired state; cold starts still find it when `keep`. */
  drop(id: string): void {
    const version = this.versions.get(id);
    if (version) this.versions.set(id, { ...version, replicas: 0 });
    this.change();
  }

  /** Answers the calls that wait for changes. */
  change(): void {
    this.cursor++;
    for (const watcher of this.watchers) watcher();
    this.watchers.clear();
  }

  /** Queues a run. */
  trigger(input: { deploymentId: string; task?: string; payload?: unknown; machine?: string }): TestRun {
    const id = `run_${createHash("sha256").update(`${this.runs.size}.${Math.random()}`).digest("hex").slice(0, 25)}`;
    const run: TestRun = {
      id,
      deploymentId: input.deploymentId,
      task: input.task ?? "hello",
      payload: input.payload ?? {},
      machine: input.machine ?? "small-1x",
      seq: 1,
      attempts: 0,
      state: "queued",
      completions: [],
      releases: [],
      starters: [],
      startedFrom: "",
      triggeredAt: performance.now(),
      handedAt: 0,
      startedAt: 0,
      finishedAt: 0,
    };
    this.runs.set(id, run);
    this.serveHeld();
    return run;
  }

  /** Asks the process of a run to cancel it. */
  cancel(run: TestRun): void {
    run.state = "cancelling";
    run.seq++;
    this.notify(run);
  }

  notify(run: TestRun): void {
    this.io
      .of("/worker")
      .to(run.id)
      .emit("run:notify", { version: "1", run: { friendlyId: run.id } });
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.url);
    const path = url.pathname.replace("/engine/v1/worker-actions", "");
    const body = await collect(request);
    const json = body.length > 0 && !url.pathname.includes("/v1/traces") ? tryParse(body) : {};
    if (!url.pathname.startsWith("/engine/")) return answer(response, 200, {});
    if (request.headers.authorization !== `Bearer ${this.token}`) return answer(response, 401, { error: "Unknown token." });
    const fixed: Record<string, (() => void) | undefined> = {
      "/connect": () => {
        this.connected = json.metadata as Record<string, unknown>;
        answer(response, 200, { ok: true, workerGroup: { type: "MANAGED", name: "test" }, agentId: "agent1" });
      },
      "/dequeue": () => this.dequeue(response, Number(json.maxRunCount ?? 1), Number(json.waitMs ?? 0)),
      "/deployments/desired": () => {
        const deployments = [...this.versions.values()].filter((version) => version.replicas > 0);
        answer(response, 200, { deployments, cursor: this.cursor });
      },
      "/deployments/changes": () => this.changes(response, Number(url.searchParams.get("after"))),
      "/deployments/report": () => {
        this.instances = json.instances as ReportInput["instances"];
        answer(response, 200, { ok: true, unknown: [] });
      },
    };
    const handler = fixed[path];
    return handler ? handler() : this.handleNamed({ path, json, request, response });
  }

  /** Paths with an id in them. */
  private handleNamed({ path, json, request, response }: { path: string } & Pick<RunCall, "json" | "request" | "response">): void {
    const version = this.versions.get(/^\/deployments\/([^/]+)$/.exec(path)?.[1] ?? "");
    if (version) return answer(response, 200, version);
    const release = /^\/releases\/([^/]+)$/.exec(path);
    if (release) return this.download(request, response, decodeURIComponent(release[1] ?? ""));
    const [, runId = "", snapshotId = "", action = ""] = /^\/runs\/([^/]+)\/(?:snapshots\/(?!since\/)([^/]+)\/)?(.+)$/.exec(path) ?? [];
    const run = this.runs.get(runId);
    if (!run) return answer(response, 404, { error: "Not found." });
    return this.runCall({ run, snapshotId, action, json, request, response });
  }

  private dequeue(response: ServerResponse, max: number, waitMs: number): void {
    const held: Held = { response, max, timer: setTimeout(() => this.letGo(held, []), waitMs) };
    this.held.add(held);
    response.once("close", () => {
      clearTimeout(held.timer);
      this.held.delete(held);
    });
    this.serveHeld();
  }

  private letGo(held: Held, messages: unknown[]): void {
    clearTimeout(held.timer);
    this.held.delete(held);
    answer(held.response, 200, messages);
  }

  private serveHeld(): void {
    for (const held of this.held) {
      const ready = [...this.runs.values()].filter((run) => run.state === "queued").slice(0, held.max);
      if (ready.length === 0) return;
      this.letGo(
        held,
        ready.map((run) => this.handOver(run))
      );
    }
  }

  private handOver(run: TestRun) {
    run.state = "handed";
    run.seq++;
    run.handedAt = performance.now();
    return dequeuedMessage(run, this.versions.get(run.deploymentId));
  }

  private changes(response: ServerResponse, after: number): void {
    const reply = () => answer(response, 200, { deploymentIds: after < this.cursor ? [...this.versions.keys()] : [], cursor: this.cursor });
    if (after < this.cursor) return reply();
    this.watchers.add(reply);
    response.once("close", () => this.watchers.delete(reply));
  }

  private download(request: IncomingMessage, response: ServerResponse, digest: string): void {
    const bytes = this.releases.get(digest);
    if (!bytes) return answer(response, 404, { error: "Not found." });
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    this.downloads.push(request.headers.range ?? "whole");
    const sent = this.corrupt(bytes, this.downloads.length);
    response.writeHead(from > 0 ? 206 : 200, { "content-length": sent.length - from });
    if (this.cutAfter === null) return void response.end(sent.subarray(from));
    const upTo = from + this.cutAfter;
    response.write(sent.subarray(from, upTo), () => (upTo < sent.length ? response.destroy() : response.end()));
  }

  private runCall(call: RunCall): void {
    const { run, action, response } = call;
    if (action === "attempts/start") return this.startAttempt(call);
    if (action === "attempts/complete") return this.completeAttempt(call);
    if (action === "heartbeat") return answer(response, 200, { ok: true });
    if (action.startsWith("snapshots/since/")) return this.since(call);
    if (action === "release") {
      if (run.state !== "handed") return answer(response, 400, { error: "The attempt has begun." });
      run.releases.push(String(call.json.reason));
      run.state = "queued";
      answer(response, 200, { ok: true, requeued: true });
      return void setTimeout(() => this.serveHeld(), 50);
    }
    return answer(response, 404, { error: `No ${action}.` });
  }

  private startAttempt({ run, snapshotId, request, response }: RunCall): void {
    const starter = String(request.headers["x-trigger-worker-runner-id"]);
    // The answer to the first start may have been lost with the agent that was to pass it on.
    const isRepeat = run.state === "executing" && snapshotId === run.startedFrom && run.starters.at(-1) === starter;
    if (!isRepeat) {
      if (run.state === "finished" || snapshotId !== snapshotOf(run, "").friendlyId)
        return answer(response, 409, { error: "Wrong snapshot." }, { "x-should-retry": "false" });
      run.attempts++;
      run.seq++;
      run.state = "executing";
      run.startedFrom = snapshotId;
      run.startedAt = performance.now();
      run.starters.push(starter);
    }
    answer(response, 200, {
      run: runOf(run, "EXECUTING"),
      snapshot: snapshotOf(run, "EXECUTING"),
      execution: executionOf(run, this.versions.get(run.deploymentId)),
      envVars: { TRIGGER_API_URL: this.url, TRIGGER_SECRET_KEY: "tr_prod_test", ...this.variables },
    });
  }

  private completeAttempt({ run, json, response, request }: RunCall): void {
    if (this.completeStatus === 0) return void request.socket.destroy();
    if (this.completeStatus !== 200) return answer(response, this.completeStatus, { error: "Not now." });
    if (run.state === "finished" || run.state === "queued") return answer(response, 400, { error: "The attempt is over." });
    const completion = json.completion as Completion;
    run.completions.push(completion);
    run.seq++;
    const attemptStatus = outcomeOf(run, completion, json.forceRequeue === true);
    run.state = ({ RETRY_IMMEDIATELY: "executing", RETRY_QUEUED: "queued", RUN_FINISHED: "finished" } as const)[attemptStatus];
    if (run.state === "finished") run.finishedAt = performance.now();
    answer(response, 200, { result: { attemptStatus, snapshot: snapshotOf(run, "FINISHED"), run: runOf(run, "EXECUTING") } });
    if (run.state === "queued") setTimeout(() => this.serveHeld(), 50);
  }

  private since({ run, action, response }: RunCall): void {
    const known = action.replace("snapshots/since/", "");
    const state = run.state === "cancelling" ? "PENDING_CANCEL" : run.state === "finished" ? "FINISHED" : "EXECUTING";
    const now = snapshotOf(run, state);
    const data = { version: "1", snapshot: now, run: runOf(run, "EXECUTING"), completedWaitpoints: [] };
    answer(response, 200, { snapshots: now.friendlyId === known ? [] : [data] });
  }
}

type RunCall = {
  run: TestRun;
  snapshotId: string;
  action: string;
  json: Record<string, unknown>;
  request: IncomingMessage;
  response: ServerResponse;
};

function tryParse(body: Buffer): Record<string, unknown> {
  try {
    return JSON.parse(body.toString("utf8")) as Record<string, unknown>;
  } catch {
    return {};
  }
}
