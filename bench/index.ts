/**
 * `npm run bench [-- --quick]`: one table of what this server does on this machine, beside the floor of a bare Node
 * server measured in the same minutes. Exits 1 when a step fails; a missed goal is printed, not an error.
 */
import os from "node:os";
import { performance } from "node:perf_hooks";
import { renderTable, type Row } from "./report";
import { newInstallation, readCredentials, removeInstallation, startServer, Stores, type RunningServer } from "./server";
import { spread } from "./statistics";
import {
  FULL,
  measureFloor,
  measureIdle,
  measureLatency,
  measureLifecycle,
  measureTriggers,
  QUICK,
  row,
  type Bench,
  type Floor,
  type Lifecycle,
  type TriggerLoad,
} from "./steps";
import { registerWorker } from "./worker";
import { ensureWrk } from "./wrk";

const CONCURRENCIES = [1, 64, 256] as const;
type Concurrency = (typeof CONCURRENCIES)[number];
/** Above it something else is running, which costs every figure, and not evenly. */
const QUIET_LOAD = 0.5;

type Round = {
  floor: Floor;
  floorSdk: Floor;
  triggers: Record<Concurrency, TriggerLoad>;
};
type Measured = {
  starts: { first: number; second: number; loaded: number };
  idle: Row[];
  latency: { p50: number; p99: number }[];
  lifecycle: Lifecycle[];
  rounds: Round[];
};

const say = (line: string) => void process.stderr.write(`${line}\n`);

async function main(): Promise<void> {
  if (os.platform() !== "linux") throw new Error("The benchmark reads /proc, so it runs on Linux only.");
  const effort = process.argv.includes("--quick") ? QUICK : FULL;
  const wrk = ensureWrk(say);
  if (!wrk) say("wrk is not there and cannot be installed here: a Node load generator stands in, and throughput looks worse than it is.");
  const loadBefore = os.loadavg()[0] ?? 0;
  if (loadBefore > QUIET_LOAD)
    say(
      `The load average is ${loadBefore.toFixed(1)} before anything began: others share the machine, and the figures will be worse than the server is.`
    );
  const begun = performance.now();
  const installation = await newInstallation();
  let server: RunningServer | undefined;
  try {
    say("First start, stop, second start.");
    const first = await startServer(installation);
    await first.stop();
    server = await startServer(installation);
    const bench = await prepare({ installation, server, effort, wrk });
    const settings = await bench.stores.settings();
    const measured = await measure(bench);
    await bench.stores.close();
    await server.stop();
    server = await startServer(installation);
    measured.starts = { first: first.readyMs, second: bench.server.readyMs, loaded: server.readyMs };
    print(measured, { settings, loadBefore, minutes: (performance.now() - begun) / 60_000, effort, wrk });
  } finally {
    await server?.stop();
    removeInstallation(installation);
  }
}

type Preparation = Pick<Bench, "installation" | "server" | "effort" | "wrk">;

async function prepare(preparation: Preparation): Promise<Bench> {
  const { secretKey } = readCredentials(preparation.installation).environments.dev;
  const stores = await Stores.connect(preparation.installation);
  return { ...preparation, stores, secretKey, say, workerId: "" };
}

/** Order matters: idle before any load; steps that drain their queue before those that fill it. */
async function measure(bench: Bench): Promise<Measured> {
  const { effort, installation } = bench;
  say(`Idle, ${effort.idleSeconds} s.`);
  const idle = await measureIdle(bench);
  bench.workerId = await registerWorker(installation.origin, readCredentials(installation).projectRef, bench.secretKey);
  say("Warm-up.");
  await measureLifecycle({ ...bench, effort: { ...effort, lifecycleRuns: 2_000 } });
  const latency: Measured["latency"] = [];
  const lifecycle: Lifecycle[] = [];
  for (let round = 1; round <= effort.rounds; round++) {
    say(`Round ${round}: latency, lifecycle.`);
    latency.push(await measureLatency(bench));
    lifecycle.push(await measureLifecycle(bench));
  }
  await measureTriggers(bench, 64, effort.warmSeconds);
  const rounds: Round[] = [];
  for (let round = 1; round <= effort.rounds; round++) {
    say(`Round ${round}: floor, triggers.`);
    rounds.push(await measureRound(bench));
  }
  return { starts: { first: Number.NaN, second: Number.NaN, loaded: Number.NaN }, idle, latency, lifecycle, rounds };
}

async function measureRound(bench: Bench): Promise<Round> {
  return {
    floor: await measureFloor(bench, "plain.lua", 64),
    floorSdk: await measureFloor(bench, "trigger.lua", 64),
    triggers: { 1: await measureTriggers(bench, 1), 64: await measureTriggers(bench, 64), 256: await measureTriggers(bench, 256) },
  };
}

function rowsOf({ starts, idle, latency, lifecycle, rounds }: Measured): Row[] {
  const floor = spread(rounds.map((round) => round.floor.perSecond)).median;
  const ratio = (values: readonly number[]) => values.map((value) => value / floor);
  const lifecycles = lifecycle.map((one) => one.perSecond);
  return [
    { name: "floor: raw node:http, 64 connections", unit: "requests/s", values: rounds.map((round) => round.floor.perSecond) },
    { name: "floor with the SDK's headers", unit: "requests/s", values: rounds.map((round) => round.floorSdk.perSecond) },
    { name: "floor: CPU of the server each", unit: "µs", values: rounds.map((round) => round.floor.cpuEach) },
    { name: "floor with the SDK's headers: CPU each", unit: "µs", values: rounds.map((round) => round.floorSdk.cpuEach) },
    ...CONCURRENCIES.flatMap((connections) => triggerRows(connections, rounds, floor)),
    { name: "lifecycle: trigger, dequeue, start, complete", unit: "runs/s", values: lifecycles, goal: { kind: "at-least", value: 3_000 } },
    { name: "lifecycle: ratio to the floor", unit: "", values: ratio(lifecycles), goal: { kind: "at-least", value: 0.04 } },
    { name: "lifecycle: CPU of the server a run", unit: "µs", values: lifecycle.map((one) => one.cpu.server) },
    { name: "lifecycle: CPU of Postgres a run", unit: "µs", values: lifecycle.map((one) => one.cpu.postgres) },
    { name: "lifecycle: CPU of Redis a run", unit: "µs", values: lifecycle.map((one) => one.cpu.redis) },
    { name: "trigger to dequeue at 50/s: p50", unit: "ms", values: latency.map((one) => one.p50), goal: { kind: "at-most", value: 3 } },
    { name: "trigger to dequeue at 50/s: p99", unit: "ms", values: latency.map((one) => one.p99), goal: { kind: "at-most", value: 15 } },
    ...idle,
    row("first start, with packages and build there", "s", starts.first / 1_000),
    row("second start", "s", starts.second / 1_000, { kind: "at-most", value: 8 }),
    row("start after the load, its runs still queued", "s", starts.loaded / 1_000),
  ];
}

function triggerRows(connections: Concurrency, rounds: readonly Round[], floor: number): Row[] {
  const loads = rounds.map((round) => round.triggers[connections]);
  const name = `trigger, ${connections} connection${connections === 1 ? "" : "s"}`;
  const perSecond = loads.map((load) => load.perSecond);
  return [
    { name, unit: "triggers/s", values: perSecond },
    {
      name: `${name}: ratio to the floor`,
      unit: "",
      values: perSecond.map((value) => value / floor),
      goal: connections === 64 ? { kind: "at-least", value: 0.17 } : undefined,
    },
    {
      name: `${name}: p50`,
      unit: "ms",
      values: loads.map((load) => load.p50Ms),
      goal: connections === 1 ? { kind: "at-most", value: 1.5 } : undefined,
    },
    {
      name: `${name}: p99`,
      unit: "ms",
      values: loads.map((load) => load.p99Ms),
      goal: connections === 64 ? { kind: "at-most", value: 30 } : undefined,
    },
    { name: `${name}: CPU of the server each`, unit: "µs", values: loads.map((load) => load.cpu.server) },
    { name: `${name}: CPU of Postgres each`, unit: "µs", values: loads.map((load) => load.cpu.postgres) },
    { name: `${name}: CPU of Redis each`, unit: "µs", values: loads.map((load) => load.cpu.redis) },
  ];
}

type Circumstances = { settings: string; loadBefore: number; minutes: number; effort: typeof FULL; wrk: boolean };

function print(measured: Measured, { settings, loadBefore, minutes, effort, wrk }: Circumstances): void {
  const cpu = os.cpus();
  process.stdout.write(
    [
      `Sluice on ${cpu.length} x ${cpu[0]?.model ?? "unknown CPU"}, Node ${process.version}, Linux ${os.release()}; server, Postgres, Redis and load share them.`,
      `Postgres: ${settings}. Load: ${wrk ? "wrk, one thread" : "a Node loop (no wrk here)"}. Rounds: ${effort.rounds}${effort === QUICK ? " (--quick: not for quoting)" : ""}. Load average before ${loadBefore.toFixed(1)}. ${minutes.toFixed(1)} minutes.`,
      "",
      renderTable(rowsOf(measured)),
      "",
      "What each line is and is not: bench/README.md.",
      "",
    ].join("\n")
  );
}

await main();
