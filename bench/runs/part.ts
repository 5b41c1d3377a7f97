/** Runs: one table of triggers, lifecycle and idling, beside the floor of a bare Node server measured in the same minutes. */
import type { Part, PartInput } from "../report";
import { newInstallation, readCredentials, removeInstallation, startServer, Stores, type RunningServer } from "../server";
import { FULL, measureFloor, measureIdle, measureLatency, measureLifecycle, measureTriggers, QUICK, type Bench } from "./steps";
import { rowsOf, type Measured, type Round } from "./table";
import { registerWorker } from "./worker";
import { ensureWrk } from "./wrk";

/** Leaves nothing running and nothing on the disk, whatever fails. */
export const measureRuns: Part = async ({ quick, say }) => {
  const effort = quick ? QUICK : FULL;
  const wrk = ensureWrk(say);
  if (!wrk) say("wrk is not there and cannot be installed here: a Node load generator stands in, and throughput looks worse than it is.");
  const installation = await newInstallation();
  let server: RunningServer | undefined;
  try {
    say("First start, stop, second start.");
    const first = await startServer(installation);
    await first.stop();
    server = await startServer(installation);
    const bench = await prepare({ installation, server, effort, wrk, say });
    const settings = await bench.stores.settings();
    const measured = await measure(bench);
    await bench.stores.close();
    await server.stop();
    server = await startServer(installation);
    measured.starts = { first: first.readyMs, second: bench.server.readyMs, loaded: server.readyMs };
    const notes = [`Postgres: ${settings}.`, `Load: ${wrk ? "wrk, one thread" : "a Node loop (no wrk here)"}. Rounds: ${effort.rounds}.`];
    return { notes, rows: rowsOf(measured) };
  } finally {
    await server?.stop();
    removeInstallation(installation);
  }
};

type Preparation = Pick<Bench, "installation" | "server" | "effort" | "wrk"> & Pick<PartInput, "say">;

async function prepare(preparation: Preparation): Promise<Bench> {
  const { secretKey } = readCredentials(preparation.installation).environments.dev;
  const stores = await Stores.connect(preparation.installation);
  return { ...preparation, stores, secretKey, workerId: "" };
}

/** Order matters: idle before any load; steps that drain their queue before those that fill it. */
async function measure(bench: Bench): Promise<Measured> {
  const { effort, installation, say } = bench;
  say(`Idle, ${effort.idleSeconds} s.`);
  const idle = await measureIdle(bench);
  bench.workerId = await registerWorker(installation.origin, readCredentials(installation).projectRef, bench.secretKey);
  say("Warm-up.");
  await measureLifecycle({ ...bench, effort: { ...effort, lifecycleRuns: 2_000 } });
  const latency: Measured["latency"] = [];
  const lifecycle: Measured["lifecycle"] = [];
  for (let round = 1; round <= effort.rounds; round++) {
    say(`Round ${round}: floor, latency, lifecycle.`);
    const floor = (await measureFloor(bench, "plain.lua", 64)).perSecond;
    latency.push({ ...(await measureLatency(bench)), floor });
    lifecycle.push({ ...(await measureLifecycle(bench)), floor });
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
