/** The rows of what was measured of runs. */
import { row, type Row } from "../report";
import type { Floor, Lifecycle, TriggerLoad } from "./steps";

const CONCURRENCIES = [1, 64, 256] as const;
type Concurrency = (typeof CONCURRENCIES)[number];

export type Round = {
  floor: Floor;
  floorSdk: Floor;
  triggers: Record<Concurrency, TriggerLoad>;
};
export type Measured = {
  starts: { first: number; second: number; loaded: number };
  idle: Row[];
  /** `floor`: requests/s of the bare server in the same round. */
  latency: { p50: number; p99: number; floor: number }[];
  lifecycle: (Lifecycle & { floor: number })[];
  rounds: Round[];
};

/** The floor on the build machine in the hour in which the goals were set, requests/s. */
const REFERENCE_FLOOR = 72_000;

/** Ratios are to the floor of the same round. */
export function rowsOf({ starts, idle, latency, lifecycle, rounds }: Measured): Row[] {
  const lifecycles = lifecycle.map((one) => one.perSecond);
  return [
    { name: "floor: raw node:http, 64 connections", unit: "requests/s", values: rounds.map((round) => round.floor.perSecond) },
    { name: "floor with the SDK's headers", unit: "requests/s", values: rounds.map((round) => round.floorSdk.perSecond) },
    { name: "floor: CPU of the server each", unit: "µs", values: rounds.map((round) => round.floor.cpuEach) },
    { name: "floor with the SDK's headers: CPU each", unit: "µs", values: rounds.map((round) => round.floorSdk.cpuEach) },
    ...CONCURRENCIES.flatMap((connections) => triggerRows(connections, rounds)),
    { name: "lifecycle: trigger, dequeue, start, complete", unit: "runs/s", values: lifecycles, goal: { kind: "at-least", value: 3_000 } },
    {
      name: "lifecycle: ratio to the floor",
      unit: "",
      values: lifecycle.map((one) => one.perSecond / one.floor),
      goal: { kind: "at-least", value: 0.04 },
    },
    { name: "lifecycle: CPU of the server a run", unit: "µs", values: lifecycle.map((one) => one.cpu.server) },
    { name: "lifecycle: CPU of Postgres a run", unit: "µs", values: lifecycle.map((one) => one.cpu.postgres) },
    { name: "lifecycle: CPU of Redis a run", unit: "µs", values: lifecycle.map((one) => one.cpu.redis) },
    ...timeRows(
      "trigger to dequeue at 50/s: p50",
      latency.map((one) => ({ ms: one.p50, floor: one.floor })),
      3
    ),
    ...timeRows(
      "trigger to dequeue at 50/s: p99",
      latency.map((one) => ({ ms: one.p99, floor: one.floor })),
      15
    ),
    ...idle,
    row("first start, with packages and build there", "s", starts.first / 1_000),
    row("second start", "s", starts.second / 1_000, { kind: "at-most", value: 8 }),
    row("start after the load, its runs still queued", "s", starts.loaded / 1_000),
  ];
}

/** A time as it was, and as it would be in an hour in which the floor is the reference's: that is what the goal was set for. */
function timeRows(name: string, times: readonly { ms: number; floor: number }[], atMost: number | undefined): Row[] {
  const plain: Row = { name, unit: "ms", values: times.map((time) => time.ms) };
  if (atMost === undefined) return [plain];
  const goal = { kind: "at-most", value: atMost } as const;
  const scaled = times.map((time) => (time.ms * time.floor) / REFERENCE_FLOOR);
  return [
    { ...plain, goal },
    { name: `${name}, at a floor of 72,000/s`, unit: "ms", values: scaled, goal },
  ];
}

function triggerRows(connections: Concurrency, rounds: readonly Round[]): Row[] {
  const loads = rounds.map((round) => round.triggers[connections]);
  const name = `trigger, ${connections} connection${connections === 1 ? "" : "s"}`;
  const perSecond = loads.map((load) => load.perSecond);
  const times = (pick: (load: TriggerLoad) => number) =>
    rounds.map((round) => ({ ms: pick(round.triggers[connections]), floor: round.floor.perSecond }));
  return [
    { name, unit: "triggers/s", values: perSecond },
    {
      name: `${name}: ratio to the floor`,
      unit: "",
      values: rounds.map((round) => round.triggers[connections].perSecond / round.floor.perSecond),
      goal: connections === 64 ? { kind: "at-least", value: 0.17 } : undefined,
    },
    ...timeRows(
      `${name}: p50`,
      times((load) => load.p50Ms),
      connections === 1 ? 1.5 : undefined
    ),
    ...timeRows(
      `${name}: p99`,
      times((load) => load.p99Ms),
      connections === 64 ? 30 : undefined
    ),
    { name: `${name}: CPU of the server each`, unit: "µs", values: loads.map((load) => load.cpu.server) },
    { name: `${name}: CPU of Postgres each`, unit: "µs", values: loads.map((load) => load.cpu.postgres) },
    { name: `${name}: CPU of Redis each`, unit: "µs", values: loads.map((load) => load.cpu.redis) },
  ];
}
