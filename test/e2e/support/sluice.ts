/** A Sluice server as a process, on a scratch data directory; embedded stores unless the test brings its own. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { freePort } from "../../../app/platform/embedded/processes.server";
import { eventually, repoRoot, spawnGroup, type Spawned } from "./processes";

export type Credentials = {
  apiUrl: string;
  projectRef: string;
  personalAccessToken: string;
  environments: Record<"dev" | "staging" | "prod", { id: string; secretKey: string }>;
  loginUrl: string;
};

export type SluiceOptions = {
  /** Stores of the test's own; several servers may share them. */
  stores?: { databaseUrl: string; redisUrl: string };
  env?: Record<string, string>;
  /** Starts the local agent too: for tests that deploy. */
  agent?: boolean;
  /** Address of this machine that the public origin names; the server then listens on all of them. */
  host?: string;
};

/** The same for every server of the tests that share stores; a random value that was made for them. */
export const SHARED_KEY = "7f1d2c93b8a64e05f3a9c1d7e2b40586917ace3d5f08b26c4d1e7a93f05b8c62";
const READY_TIMEOUT_MS = 60_000;

export class Sluice {
  private process: Spawned | undefined;
  readonly dataDir = mkdtempSync(path.join(os.tmpdir(), "sluice-e2e-"));

  private constructor(
    readonly port: number,
    private readonly options: SluiceOptions
  ) {}

  /** A server that is ready. */
  static async create(options: SluiceOptions): Promise<Sluice> {
    const sluice = new Sluice(await freePort(), options);
    await sluice.start();
    return sluice;
  }

  get origin(): string {
    return `http://${this.options.host ?? "127.0.0.1"}:${this.port}`;
  }

  /** As first start wrote them. */
  get credentials(): Credentials {
    return JSON.parse(readFileSync(path.join(this.dataDir, "credentials.json"), "utf8")) as Credentials;
  }

  /** Data directory of the local agent. */
  get agentDir(): string {
    return path.join(this.dataDir, "agent");
  }

  get pid(): number {
    return this.process?.pid ?? -1;
  }

  output(): string {
    return this.process?.output() ?? "";
  }

  /** Starts the process and waits until it is ready. */
  async start(): Promise<void> {
    const { stores, env } = this.options;
    const child = spawnGroup(process.execPath, [path.join(repoRoot, "build/server.js")], {
      cwd: repoRoot,
      env: {
        PATH: process.env.PATH,
        HOME: os.homedir(),
        NODE_ENV: "production",
        PORT: String(this.port),
        PUBLIC_URL: this.origin,
        SLUICE_DATA_DIR: this.dataDir,
        LOG_LEVEL: "warn",
        LOCAL_AGENT: this.options.agent ? "on" : "off",
        ...(this.options.host ? { HOST: "0.0.0.0" } : {}),
        ...(stores ? { DATABASE_URL: stores.databaseUrl, REDIS_URL: stores.redisUrl, ENCRYPTION_KEY: SHARED_KEY } : {}),
        ...env,
      },
    });
    this.process = child;
    let ended = false;
    void child.ended.then(() => {
      ended = true;
    });
    const outcome = await eventually("readiness", READY_TIMEOUT_MS, async () => {
      if (ended) return "ended";
      const answer = await fetch(`${this.origin}/readiness`).catch(() => null);
      return answer?.ok ?? false;
    });
    if (outcome === "ended") throw new Error(`the server ended:\n${child.output()}`);
  }

  /** SIGKILL of the server alone: embedded stores stay behind, as after a crash. */
  async killServer(): Promise<void> {
    if (!this.process) return;
    process.kill(this.process.pid, "SIGKILL");
    await this.process.ended;
  }

  /** Orderly end. */
  async stop(): Promise<void> {
    if (!this.process) return;
    process.kill(this.process.pid, "SIGTERM");
    await this.process.ended;
    this.process = undefined;
  }

  /** Ends it and removes its data; stores that the test brought are the test's. */
  async remove(): Promise<void> {
    await this.stop().catch(() => undefined);
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

/** Starts a server and waits until it is ready. */
export function startSluice(options: SluiceOptions = {}): Promise<Sluice> {
  return Sluice.create(options);
}
