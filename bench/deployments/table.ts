/** The rows of what was measured of deployments. */
import { row, type Row } from "../report";
import { percentile } from "../statistics";
import type { TimedRun } from "./api";
import { DEPLOYMENTS } from "./list";
import type { PhaseDelay } from "./progress";
import { RATE_PER_SECOND, REPLICAS, type DeployTimes } from "./steps";

export type Measured = {
  first: DeployTimes;
  again: readonly DeployTimes[];
  delays: readonly PhaseDelay[];
  agentBytes: number;
  firstRuns: readonly TimedRun[];
  warmRuns: readonly TimedRun[];
  sustained: readonly TimedRun[];
  coldRuns: readonly TimedRun[];
  promotions: readonly number[];
  list: readonly number[];
};

const MEGABYTE = 1024 * 1024;

const atMost = (value: number) => ({ kind: "at-most" as const, value });
const seconds = (values: readonly number[]) => values.map((value) => value / 1_000);

/** Milliseconds from just before the request to the first line of the task. */
export const toUserCode = (runs: readonly TimedRun[]) => runs.map(({ sentAt, userCodeAt }) => userCodeAt - sentAt);

/** Milliseconds from the last trigger to the end of the last run. */
export function drainMs(runs: readonly TimedRun[]): number {
  return Math.max(...runs.map(({ finishedAt }) => finishedAt)) - Math.max(...runs.map(({ sentAt }) => sentAt));
}

const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b);

export function rowsOf(measured: Measured): Row[] {
  const { firstRuns, coldRuns, promotions, list, delays, agentBytes } = measured;
  return [
    ...deployRows(measured),
    ...warmRows(measured),
    { name: "first run of a parked replica: trigger to user code", unit: "s", values: seconds(toUserCode(firstRuns)), goal: atMost(0.8) },
    { name: "cold, version without replicas: trigger to user code", unit: "s", values: seconds(toUserCode(coldRuns)), goal: atMost(1.5) },
    row("promotion seen by another process: largest", "ms", Math.max(...promotions), atMost(100)),
    row("promotion seen by another process: p50", "ms", percentile(sorted(promotions), 0.5)),
    row("progress page: commit of a phase to its event, largest", "ms", Math.max(...delays.map((one) => one.messageMs)), atMost(500)),
    row(
      "progress page: commit of a phase to the page that shows it, largest",
      "ms",
      Math.max(...delays.map((one) => one.shownMs)),
      atMost(500)
    ),
    row(`agent with ${REPLICAS} parked replicas`, "MB PSS", agentBytes / MEGABYTE, atMost(500)),
    { name: `list of ${DEPLOYMENTS.toLocaleString("en-US")} deployments`, unit: "ms", values: [...list], goal: atMost(100) },
  ];
}

function deployRows({ first, again }: Measured): Row[] {
  return [
    row("deploy, first: command to exit", "s", first.commandMs / 1_000, atMost(25)),
    row("deploy, first: Sluice's own work", "s", first.ownMs / 1_000, atMost(10)),
    { name: "redeploy: command to exit", unit: "s", values: seconds(again.map((one) => one.commandMs)), goal: atMost(25) },
    { name: "redeploy, lock file unchanged: own work", unit: "s", values: seconds(again.map((one) => one.ownMs)), goal: atMost(5) },
    { name: "redeploy: of it building", unit: "s", values: seconds(again.map((one) => one.buildingMs)) },
    { name: "redeploy: of it starting replicas", unit: "s", values: seconds(again.map((one) => one.deployingMs)) },
  ];
}

function warmRows({ warmRuns, sustained }: Measured): Row[] {
  const warm = sorted(toUserCode(warmRuns));
  const loaded = sorted(toUserCode(sustained));
  const rate = `${RATE_PER_SECOND} runs/s on ${REPLICAS} replicas`;
  return [
    row("warm replica: trigger to user code, p50", "ms", percentile(warm, 0.5), atMost(60)),
    row("warm replica: trigger to user code, p99", "ms", percentile(warm, 0.99)),
    row(`${rate}: last trigger to last end`, "s", drainMs(sustained) / 1_000, atMost(1)),
    row(`${rate}: trigger to user code, p50`, "ms", percentile(loaded, 0.5)),
    row(`${rate}: trigger to user code, p99`, "ms", percentile(loaded, 0.99)),
  ];
}
