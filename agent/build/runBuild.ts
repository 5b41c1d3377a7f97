/** One build from claim to end, in a folder of its own that is removed whatever happens. */
import { chmod, mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { errorMessage, type Logger } from "../../app/platform/logger";
import type { Runtimes } from "../replicas/runtimes";
import { ServerRefusal } from "../server/serverClient";
import { BuildLog } from "./log/buildLog";
import type { BuildServer } from "./buildServer";
import { bundleToRelease } from "./release/bundleToRelease";
import type { DependencyCache } from "./release/dependencyCache";
import { BuildError, cancelled, toBuildError } from "./errors";
import { indexRelease } from "./release/indexRelease";
import { createMask } from "./log/mask";
import { packRelease, type PackedRelease } from "./release/pack";
import { BUILD_HEARTBEAT_MS, BUILD_LEASE_MS, type BuildAssignment, type BuildOutcome, type HeartbeatAnswer } from "./protocol";
import { Sandbox } from "./sandbox";
import { sourceToBundle } from "./source/sourceToBundle";
import { readVariables } from "./variables";

export type BuildOptions = {
  server: BuildServer;
  cache: DependencyCache;
  /** Folders of attempts and of downloads are made below it. */
  root: string;
  /** Address of the server as builds reach it. */
  apiUrl: string;
  /** User of the build's processes; null: the agent's own. */
  uid: number | null;
  /** Registries, proxies and certificates for package managers. */
  env: Record<string, string>;
  region: { name: string; packages: readonly string[] };
  runtimes: Runtimes;
  log: Logger;
  now(): number;
};

/** Folder below the root in which npm keeps downloads, by environment. */
export const NPM_CACHE = "npm";

/** Runs it and tells the server how it ended. Never rejects: what cannot be told is logged, and the lease runs out. */
export async function runBuild(options: BuildOptions, assignment: BuildAssignment, stop: AbortSignal): Promise<BuildOutcome> {
  const build = new Build(options, assignment, stop);
  const outcome = await build.run();
  const fields = { deploymentId: assignment.deploymentId, attempt: assignment.attempt, ok: outcome.ok };
  options.log.info("build.ended", outcome.ok ? { ...fields, ...outcome.milliseconds } : { ...fields, code: outcome.code });
  return outcome;
}

/** Marks the processes of the build whose folder is called so. */
export function buildName(folder: string): string {
  return `build-${folder}`;
}

const FAILED_GRACE_MS = 3_000;

class Build {
  private readonly abort = new AbortController();
  private readonly mask = createMask();
  private readonly milliseconds: Record<string, number> = {};
  private readonly workDir: string;
  private readonly log: BuildLog;
  private readonly sandbox: Sandbox;
  private heardAt: number;
  private grace: NodeJS.Timeout | undefined;

  constructor(
    private readonly options: BuildOptions,
    private readonly assignment: BuildAssignment,
    private readonly stop: AbortSignal
  ) {
    const { server, root, uid, env } = options;
    const folder = `${assignment.deploymentId}-${assignment.attempt}`;
    this.workDir = path.join(root, "work", folder);
    this.mask.add([assignment.token, ...Object.values(assignment.buildEnvVars)]);
    this.log = new BuildLog({ mask: this.mask, send: (lines) => server.log(assignment, lines) });
    this.heardAt = options.now();
    const name = buildName(folder);
    const { workDir, log, mask } = this;
    this.sandbox = new Sandbox({ name, workDir, uid, env, signal: this.abort.signal, log, mask });
  }

  async run(): Promise<BuildOutcome> {
    const onStop = () => this.abort.abort(new BuildError("The builder is stopping.", { kind: "machine", code: "builder_stopping" }));
    if (this.stop.aborted) onStop();
    this.stop.addEventListener("abort", onStop, { once: true });
    const beats = setInterval(() => void this.beat(), BUILD_HEARTBEAT_MS);
    let outcome: BuildOutcome;
    try {
      const release = await this.build();
      outcome = { ok: true, digest: release.digest, bytes: release.bytes, milliseconds: this.milliseconds };
    } catch (error) {
      outcome = this.failure(error);
    }
    await this.sandbox.killEverything().catch(() => undefined);
    await this.log.flush();
    clearInterval(beats);
    clearTimeout(this.grace);
    this.stop.removeEventListener("abort", onStop);
    await this.remove();
    await this.report(outcome);
    return outcome;
  }

  /** Where npm keeps downloads of the environment. Builds of it may have other users, so each takes the folder over. */
  private async npmCache(): Promise<string> {
    const dir = path.join(this.options.root, NPM_CACHE, this.assignment.environmentId);
    await mkdir(dir, { recursive: true });
    await this.sandbox.giveTree(dir);
    return dir;
  }

  private async build(): Promise<PackedRelease> {
    const { assignment, options, workDir, sandbox, log } = this;
    await this.prepare();
    const npmCache = await this.npmCache();
    const apiUrl = options.apiUrl;
    const shared = { sandbox, log, workDir, npmCache, apiUrl, assignment };
    await this.learnSecrets();
    if (assignment.kind === "source") {
      const source = await this.timed("download", () => this.download("source"));
      await this.timed("bundle", () => sourceToBundle({ ...shared, source, isBundled: async () => (await this.ask()).bundled }));
      // What the project's own extensions have synchronised since.
      await this.learnSecrets();
    }
    const bundle = await this.timed("download", () => this.download("bundle"));
    const dir = path.join(workDir, "app");
    const { environmentId, buildEnvVars } = assignment;
    const { cache, region, runtimes } = options;
    const release = { ...shared, cache, bundle, dir, environmentId, buildEnvVars, region, runtimes };
    const { manifest } = await this.timed("release", () => bundleToRelease(release));
    const isRegistered = async () => (await this.ask()).registered;
    await this.timed("index", () => indexRelease({ ...shared, dir, manifest, isRegistered }));
    return this.store(dir);
  }

  private async store(dir: string): Promise<PackedRelease> {
    const { server } = this.options;
    const file = path.join(this.workDir, "release.tar.gz");
    const packed = await this.timed("pack", () => packRelease(dir, file));
    const upload = () => server.upload(this.assignment.token, packed, file, this.abort.signal);
    await this.timed("upload", upload);
    this.log.write(
      "info",
      `Stored release ${packed.digest.slice(0, 19)} with ${packed.entries} entries, ${(packed.bytes / 1e6).toFixed(1)} MB.`
    );
    return packed;
  }

  /** The folder of this attempt; those of earlier ones go. */
  private async prepare(): Promise<void> {
    const work = path.dirname(this.workDir);
    await mkdir(work, { recursive: true, mode: 0o711 });
    const earlier = (await readdir(work)).filter((name) => name.startsWith(`${this.assignment.deploymentId}-`));
    for (const name of earlier) await rm(path.join(work, name), { recursive: true, force: true });
    await mkdir(this.workDir, { mode: 0o711 });
    for (const dir of [this.options.root, work, this.workDir]) await chmod(dir, 0o711);
    await this.sandbox.prepare();
  }

  private async learnSecrets(): Promise<void> {
    const { apiUrl } = this.options;
    const values = await readVariables({
      apiUrl,
      projectRef: this.assignment.projectRef,
      token: this.assignment.token,
      signal: this.abort.signal,
    });
    this.mask.add(values);
  }

  private async download(which: "source" | "bundle"): Promise<string> {
    const file = path.join(this.workDir, `${which}.tar.gz`);
    await this.options.server.download(this.assignment, which, file, this.abort.signal);
    return file;
  }

  private async timed<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (this.abort.signal.aborted) throw this.abort.signal.reason;
    const began = this.options.now();
    try {
      return await work();
    } finally {
      this.milliseconds[name] = (this.milliseconds[name] ?? 0) + this.options.now() - began;
    }
  }

  private async ask(): Promise<HeartbeatAnswer> {
    const answer = await this.options.server.heartbeat(this.assignment);
    this.heardAt = this.options.now();
    if (answer.cancel) this.stopFor(answer);
    return answer;
  }

  /** A failure that the build's own indexer reported gets a moment, in which the indexer says more and ends. */
  private stopFor({ reason, failed }: HeartbeatAnswer): void {
    const end = () => this.abort.abort(cancelled(reason ?? "The build was cancelled."));
    if (!failed) return end();
    this.grace ??= setTimeout(end, FAILED_GRACE_MS);
  }

  private async beat(): Promise<void> {
    try {
      await this.ask();
    } catch (error) {
      const refused = error instanceof ServerRefusal && error.status < 500;
      if (refused) return this.abort.abort(cancelled(`The server refused this build: ${error.text}`));
      // Somebody else has it by now: two builders must not go on with one deployment.
      if (this.options.now() - this.heardAt > BUILD_LEASE_MS)
        this.abort.abort(new BuildError("The server was away for too long.", { kind: "machine", code: "server_away", cause: error }));
    }
  }

  private failure(error: unknown): BuildOutcome {
    const { signal } = this.abort;
    const reason = toBuildError(signal.aborted ? signal.reason : error);
    if (reason.kind !== "cancelled") this.log.write("error", reason.message);
    if (reason.kind === "machine") this.options.log.warn("build.machine_failed", { message: errorMessage(reason.cause ?? reason) });
    const message = this.mask(reason.message).slice(0, 8_000);
    const stderr = reason.stderr === undefined ? {} : { stderr: this.mask(reason.stderr).slice(-32_000) };
    return { ok: false, kind: reason.kind, code: reason.code, message, ...stderr };
  }

  private async remove(): Promise<void> {
    try {
      await rm(this.workDir, { recursive: true, force: true, maxRetries: 3 });
    } catch (error) {
      this.options.log.warn("build.work_dir_left", { dir: this.workDir, message: errorMessage(error) });
    }
  }

  private async report(outcome: BuildOutcome): Promise<void> {
    try {
      await this.options.server.done(this.assignment, outcome);
    } catch (error) {
      this.options.log.warn("build.end_not_told", { deploymentId: this.assignment.deploymentId, message: errorMessage(error) });
    }
  }
}
