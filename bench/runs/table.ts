/** The rows of what was measured of runs. */
import { row, type Row } from "../report";
import { spread } from "../statistics";
import type { Floor, Lifecycle, TriggerLoad } from "./steps";

export const CONCURRENCIES = [1, 64, 256] as const;
type Concurrency = (typeof CONCURRENCIES)[number];

export type Round = {
  floor: Floor;
  floorSdk: Floor;
  triggers: Record<Concurrency, TriggerLoad>;
};
export type Measured = {
  starts: { first: number; second: number; loaded: number };
  idle: Row[];
  latency: { p50: number; p99: number }[];
  lifecycle: Lifecycle[];
  rounds: Round[];
};

/** Ratios are to the floor of the same rounds. */
export function rowsOf({ starts, idle, latency, lifecycle, rounds }: Measured): Row[] {
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
