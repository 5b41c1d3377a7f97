/** Every measurement: what is done, for how long, and which rows come of it. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { cpuMicroseconds, residentBytes } from "../processes";
import { row, type Row } from "../report";
import { cpuPer, type CpuTimes, type Installation, type RunningServer, type Stores } from "../server";
import { percentile } from "../statistics";
import { closedLoop, triggerAtRate, triggerMany, TRIGGER_PATH } from "./trigger";
import { SimulatedWorker } from "./worker";
import { runWrk, type LoadResult } from "./wrk";

/** How much of everything; `--quick` is for "does it work", not for figures to quote. */
export type Effort = {
  rounds: number;
  loadSeconds: number;
  warmSeconds: number;
  lifecycleRuns: number;
  latencySeconds: number;
  idleSeconds: number;
};

export const FULL: Effort = { rounds: 3, loadSeconds: 8, warmSeconds: 4, lifecycleRuns: 15_000, latencySeconds: 10, idleSeconds: 30 };
export const QUICK: Effort = { rounds: 1, loadSeconds: 3, warmSeconds: 2, lifecycleRuns: 3_000, latencySeconds: 3, idleSeconds: 12 };

export type Bench = {
  effort: Effort;
  installation: Installation;
  server: RunningServer;
  stores: Stores;
  secretKey: string;
  workerId: string;
  wrk: boolean;
  say(line: string): void;
};

const CALLERS = 64;
/** Below the default environment limit of 100, so that the limit is checked but not what is measured. */
const SESSIONS = 64;
const RATE_PER_SECOND = 50;
/** A run that is not finished by then is lost. */
const LIFECYCLE_TIMEOUT_MS = 120_000;

/** Postgres' backends report their counts up to ten seconds late: start-up must not count as idle. */
const SETTLE_MS = 12_000;

/** Watches the server do nothing. */
export async function measureIdle(bench: Bench): Promise<Row[]> {
  const { stores, server, effort } = bench;
  await delay(SETTLE_MS);
  const before = {
    transactions: await stores.transactions(),
    redis: await stores.redisCommands(),
    cpu: await stores.cpu(server.pid),
    at: performance.now(),
  };
  await delay(effort.idleSeconds * 1_000);
  const after = {
    transactions: await stores.transactions(),
    redis: await stores.redisCommands(),
    cpu: await stores.cpu(server.pid),
    at: performance.now(),
  };
  const seconds = (after.at - before.at) / 1_000;
  const cpu = cpuPer(seconds * 10_000, before.cpu, after.cpu);
  // What the measuring itself did between the two reads: one query each, and INFO four times.
  const ownQueries = 1;
  const ownCommands = 2;
  return [
    row("idle: database transactions", "/s", (after.transactions - before.transactions - ownQueries) / seconds, {
      kind: "at-most",
      value: 5,
    }),
    row("idle: Redis commands", "/s", (after.redis - before.redis - ownCommands) / seconds),
    row("idle: CPU of the server", "% of a core", cpu.server, { kind: "at-most", value: 3 }),
    row("idle: CPU of Postgres and Redis", "% of a core", cpu.postgres + cpu.redis),
    row("idle: memory of the server", "MB resident", residentBytes(server.pid) / 1024 / 1024, { kind: "at-most", value: 250 }),
  ];
}

/** Open loop at 50/s while sessions wait in held polls. */
export async function measureLatency(bench: Bench): Promise<{ p50: number; p99: number }> {
  const worker = newWorker(bench);
  worker.start();
  await delay(500);
  const sent = await triggerAtRate(target(bench), RATE_PER_SECOND, bench.effort.latencySeconds);
  await untilCompleted(worker, sent.size);
  await worker.stop();
  const latencies = [...sent].map(([id, at]) => (worker.handedOut.get(id) ?? Number.NaN) - at).sort((a, b) => a - b);
  return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
}

export type Lifecycle = { perSecond: number; cpu: CpuTimes };

/** 64 callers trigger no-op runs one by one while sessions run them, until the store holds no unfinished run. */
export async function measureLifecycle(bench: Bench): Promise<Lifecycle> {
  const { stores, effort, server } = bench;
  const before = await stores.counts();
  const cpuBefore = await stores.cpu(server.pid);
  const worker = newWorker(bench);
  worker.start();
  const begun = performance.now();
  await triggerMany(target(bench), effort.lifecycleRuns, CALLERS);
  await untilCompleted(worker, effort.lifecycleRuns);
  const seconds = (worker.lastCompletion - begun) / 1_000;
  const cpu = cpuPer(effort.lifecycleRuns, cpuBefore, await stores.cpu(server.pid));
  await worker.stop();
  const after = await stores.counts();
  if (after.live !== before.live || after.finished - before.finished !== effort.lifecycleRuns || worker.startedTwice > 0) {
    throw new Error(
      `${effort.lifecycleRuns} runs: ${after.finished - before.finished} finished, ${after.live - before.live} left, ${worker.startedTwice} started twice.`
    );
  }
  return { perSecond: effort.lifecycleRuns / seconds, cpu };
}

export type Floor = LoadResult & { cpuEach: number };

/** The floor with the peers' request, or with the SDK's. */
export async function measureFloor(bench: Bench, script: "plain.lua" | "trigger.lua", connections: number): Promise<Floor> {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, "floor.mjs")], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const port = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      createInterface(child.stdout).once("line", (line) => resolve(Number(line)));
    });
    const origin = new URL(`http://127.0.0.1:${port}`);
    const load = (seconds: number) =>
      bench.wrk
        ? runWrk({ url: `${origin.origin}${TRIGGER_PATH}`, connections, seconds, script, args: [bench.secretKey, "0"] })
        : closedLoop({ origin, secretKey: bench.secretKey }, connections, seconds);
    await load(1);
    const before = cpuMicroseconds(child.pid ?? 0);
    const result = await load(bench.effort.loadSeconds);
    return { ...result, cpuEach: (cpuMicroseconds(child.pid ?? 0) - before) / result.requests };
  } finally {
    child.kill();
  }
}

export type TriggerLoad = LoadResult & { cpu: CpuTimes };

let wrkRuns = 0;

/** Durable triggers; afterwards there must be as many runs as answers. */
export async function measureTriggers(bench: Bench, connections: number, seconds = bench.effort.loadSeconds): Promise<TriggerLoad> {
  const { stores, server, secretKey, installation } = bench;
  const before = await stores.counts();
  const cpuBefore = await stores.cpu(server.pid);
  const run = String(++wrkRuns);
  const result = bench.wrk
    ? await runWrk({
        url: `${installation.origin.origin}${TRIGGER_PATH}`,
        connections,
        seconds,
        script: "trigger.lua",
        args: [secretKey, run],
      })
    : await closedLoop(target(bench), connections, seconds);
  const cpuAfter = await stores.cpu(server.pid);
  const stored = await untilSteady(async () => (await stores.counts()).runs - before.runs);
  // wrk leaves up to one request per connection unanswered when it ends; those may be stored too.
  if (stored < result.requests || stored > result.requests + connections) {
    throw new Error(`${result.requests} triggers were answered at ${connections} connections, but ${stored} runs are stored.`);
  }
  return { ...result, cpu: cpuPer(stored, cpuBefore, cpuAfter) };
}

/** Triggers that were in flight when wrk ended are still being committed. */
async function untilSteady(read: () => Promise<number>): Promise<number> {
  for (let last = await read(); ; ) {
    await delay(100);
    const now = await read();
    if (now === last) return now;
    last = now;
  }
}

async function untilCompleted(worker: SimulatedWorker, count: number): Promise<void> {
  const deadline = performance.now() + LIFECYCLE_TIMEOUT_MS;
  while (worker.completed < count) {
    worker.check();
    if (performance.now() > deadline)
      throw new Error(`${worker.completed} of ${count} runs were completed after ${LIFECYCLE_TIMEOUT_MS / 1_000} s.`);
    await delay(5);
  }
}

function newWorker({ installation, secretKey, workerId }: Bench): SimulatedWorker {
  return new SimulatedWorker({ origin: installation.origin, secretKey, workerId, sessions: SESSIONS });
}

function target({ installation, secretKey }: Bench): { origin: URL; secretKey: string } {
  return { origin: installation.origin, secretKey };
}
