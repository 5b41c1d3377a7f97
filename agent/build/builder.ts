/** The role builder of an agent: takes builds from the server, one at a time unless told otherwise. */
import { chmodSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import type { Logger } from "../../app/platform/logger";
import { defineLoop, type Loop } from "../../app/platform/loop";
import { killAll } from "../replicas/proc";
import type { Runtimes } from "../replicas/runtimes";
import { BuildServer } from "./buildServer";
import { DependencyCache } from "./release/dependencyCache";
import { MAX_CLAIM_WAIT_MS, type BuildOutcome } from "./protocol";
import { buildName, NPM_CACHE, runBuild } from "./runBuild";

export type BuilderOptions = {
  /** Address of the server, as this agent and its builds reach it. */
  url: string;
  /** `authorization` and `x-trigger-worker-instance-name` of the agent. */
  headers: Record<string, string>;
  /** Folder of builds, absolute. Users of builds must be able to get there: no folder above it may be closed to them. */
  root: string;
  region: { name: string; packages: readonly string[] };
  /** Binaries of other versions of Node: a project is built and indexed with the one that runs it. */
  runtimes: Runtimes;
  /** Gives a user for the builds of an environment, by a name that is nobody else's; null at L0. */
  uidOf: ((name: string) => number) | null;
  /** See `passedThrough`. */
  env: Record<string, string>;
  /** Builds at once. Default 1. */
  concurrency?: number;
  /** Removes what else this machine holds and can fetch again; called when a build found the disk full. */
  makeRoom?(): void;
  log: Logger;
  now(): number;
};

/** What package managers need to know of this machine. Nothing else of the agent's environment reaches a build. */
const PASSED_THROUGH = /^(npm_config_registry|npm_config_cafile|https?_proxy|no_proxy|node_extra_ca_certs|ssl_cert_file|ssl_cert_dir)$/i;

/** The part of an environment that builds get. */
export function passedThrough(env: Record<string, string | undefined>): Record<string, string> {
  const entries = Object.entries(env).filter(([name, value]) => value !== undefined && PASSED_THROUGH.test(name));
  return Object.fromEntries(entries as [string, string][]);
}

const AFTER_ERROR_MS = 2_000;
const PACKAGES = "packages";
/** Folders of the builder that only make builds quicker: installed packages, and what npm has downloaded. */
const CACHES = [PACKAGES, NPM_CACHE];

/** The loops of a builder. `stop` ends builds under way; the server gives them to another builder. */
export class Builder {
  private readonly server: BuildServer;
  private readonly loops: Loop[];
  private stopping = new AbortController();
  private underWay = 0;
  /** Resolves when nothing of an earlier life runs any more. */
  private cleared: Promise<void> = Promise.resolve();

  constructor(private readonly options: BuilderOptions) {
    this.server = new BuildServer({ url: options.url, headers: options.headers });
    const cache = new DependencyCache(path.join(options.root, PACKAGES));
    this.loops = Array.from({ length: options.concurrency ?? 1 }, (_, slot) =>
      defineLoop({
        name: `builder-${slot}`,
        everyMs: 0,
        afterErrorMs: AFTER_ERROR_MS,
        log: options.log,
        run: () => this.next(cache, slot),
      })
    );
  }

  /** Ends and removes what a crash left behind and begins to take builds. */
  start(): void {
    const { root } = this.options;
    const work = path.join(root, "work");
    mkdirSync(work, { recursive: true });
    for (const dir of [root, work]) chmodSync(dir, 0o711);
    this.stopping = new AbortController();
    this.cleared = Promise.all(readdirSync(work).map((name) => this.clear(path.join(work, name)))).then(() => undefined);
    for (const loop of this.loops) loop.start();
  }

  /** Resolves when the builds under way have been killed and reported. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all([this.cleared, ...this.loops.map((loop) => loop.stop())]);
    this.server.close();
  }

  /** An agent that was killed left its builds running. Their folder goes last: it is what names them. */
  private async clear(dir: string): Promise<void> {
    const left = await killAll(buildName(path.basename(dir)), null);
    if (left.length > 0) this.options.log.error("build.orphans", { dir, pids: left.join(" ") });
    rmSync(dir, { recursive: true, force: true });
  }

  private async next(cache: DependencyCache, slot: number): Promise<void> {
    await this.cleared;
    const { signal } = this.stopping;
    if (signal.aborted) return;
    const assignment = await this.server.claim(MAX_CLAIM_WAIT_MS, signal).catch((error: unknown) => {
      if (signal.aborted) return null;
      throw error;
    });
    if (!assignment) return;
    const { url, root, uidOf, env, region, runtimes, log, now } = this.options;
    log.info("build.began", { deploymentId: assignment.deploymentId, attempt: assignment.attempt, kind: assignment.kind });
    // Two builds of one environment at once must not be able to touch each other either.
    const uid = uidOf?.(`build:${slot}:${assignment.environmentId}`) ?? null;
    this.underWay++;
    const options = { server: this.server, cache, root, apiUrl: url, uid, env, region, runtimes, log, now };
    const outcome = await runBuild(options, assignment, signal).finally(() => this.underWay--);
    await this.makeRoomAfter(outcome);
  }

  /** A full disk would fail the next build too: what was kept to be quicker goes. Never from under another build that copies it. */
  private async makeRoomAfter(outcome: BuildOutcome): Promise<void> {
    if (outcome.ok || outcome.kind !== "no_space" || this.underWay > 0) return;
    const { root, log, makeRoom } = this.options;
    for (const name of CACHES) await rm(path.join(root, name), { recursive: true, force: true, maxRetries: 3 });
    makeRoom?.();
    log.warn("builder.made_room", { root });
  }
}
