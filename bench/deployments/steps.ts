/** Every measurement of deployments: what is done, how often, and what comes of it. */
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import type { Credentials, Installation } from "../server";
import type { Api, Sent, TimedRun } from "./api";
import { TASK, type BenchProject } from "./project";
import { ProgressWatch, type PhaseDelay } from "./progress";
import { agentBytes, replicas } from "./replicas";
import { newestDeployment, phaseOf, setReplicas, until, type Deployed } from "./rows";
import type { Session } from "./session";

/** How much of everything; `--quick` is for "does it work", not for figures to quote. */
export type Effort = { redeploys: number; warmRuns: number; sustainedSeconds: number; promotions: number };
export const FULL: Effort = { redeploys: 3, warmRuns: 100, sustainedSeconds: 20, promotions: 20 };
export const QUICK: Effort = { redeploys: 1, warmRuns: 30, sustainedSeconds: 5, promotions: 6 };

export type Bench = {
  effort: Effort;
  installation: Installation;
  credentials: Credentials;
  pool: pg.Pool;
  api: Api;
  session: Session;
  project: BenchProject;
  say(line: string): void;
};

export const REPLICAS = 4;
export const RATE_PER_SECOND = 20;
/** A parked process has given back what its start took. */
const SETTLE_MS = 3_000;
/** Longer than the first runs of all replicas together. */
const HOLD_MS = 12_000;

export type DeployTimes = Deployed & { commandMs: number };

/** The real CLI, to prod. */
async function deploy({ project, installation, credentials, pool }: Bench): Promise<DeployTimes> {
  const commandMs = await project.deploy(installation.origin, credentials);
  return { ...(await newestDeployment(pool, credentials.environments.prod.id)), commandMs };
}

/** A first deployment, then others with the same lock file. */
export async function measureDeploys(bench: Bench): Promise<{ first: DeployTimes; again: DeployTimes[] }> {
  bench.say("First deployment.");
  const first = await deploy(bench);
  const again: DeployTimes[] = [];
  for (let n = 1; n <= bench.effort.redeploys; n++) {
    bench.say(`Redeployment ${n} of ${bench.effort.redeploys}.`);
    bench.project.edit();
    again.push(await deploy(bench));
  }
  return { first, again };
}

/** One more deployment, with four replicas, while its progress page is open. */
export async function measureProgress(bench: Bench): Promise<{ deployed: DeployTimes; delays: PhaseDelay[] }> {
  const { pool, session, credentials } = bench;
  const environmentId = credentials.environments.prod.id;
  await setReplicas(pool, environmentId, REPLICAS);
  bench.project.edit();
  const watch = await ProgressWatch.start(pool, { session, projectRef: credentials.projectRef, environmentId });
  try {
    const deployed = await deploy(bench);
    return { deployed, delays: await watch.ended() };
  } finally {
    watch.stop();
  }
}

/** Stops every version but the current one; returns when only the current one's replicas are left. */
export async function stopOthers({ api, pool, installation }: Bench, others: readonly Deployed[], current: Deployed): Promise<void> {
  for (const { id, version } of others)
    if ((await phaseOf(pool, id)) === "ready") await api.call("POST", `/api/v1/deployments/${version}/stop`);
  for (const { id, version } of others) await until(`${version} is stopped`, async () => (await phaseOf(pool, id)) === "stopped");
  await until(`only ${REPLICAS} replicas of ${current.version} are left`, () => {
    const left = replicas(installation);
    return left.length === REPLICAS && left.every(({ version }) => version === current.version);
  });
}

/** Bytes of the agent and of replicas that have run nothing. */
export async function measureMemory({ installation }: Bench): Promise<number> {
  await delay(SETTLE_MS);
  return agentBytes(installation);
}

/** A run on each parked replica: the earlier ones are still busy. One that came to a process that had run before is left out. */
export async function measureFirstRuns({ api }: Bench): Promise<TimedRun[]> {
  const sent: Sent[] = [];
  for (let n = 0; n < REPLICAS; n++) {
    const one = await api.trigger(TASK, { holdMs: HOLD_MS });
    sent.push(one);
    await until(`${one.id} executes`, async () => (await api.run(one.id)).status === "EXECUTING");
    await delay(1_000);
  }
  const runs = await Promise.all(sent.map((one) => api.finished(one)));
  return runs.filter(({ pid }, n) => runs.findIndex((run) => run.pid === pid) === n);
}

/** One run after the other, on replicas that have all run before. */
export async function measureWarmRuns({ api, effort }: Bench): Promise<TimedRun[]> {
  const runs: TimedRun[] = [];
  for (let n = 0; n < effort.warmRuns; n++) runs.push(await api.finished(await api.trigger(TASK)));
  return runs;
}

/** An open loop: a trigger every 50 ms, whatever the runs do. */
export async function measureSustained({ api, effort }: Bench): Promise<TimedRun[]> {
  const pending: Promise<Sent>[] = [];
  const begun = performance.now();
  for (let n = 0; n < RATE_PER_SECOND * effort.sustainedSeconds; n++) {
    await delay(Math.max(0, begun + (n * 1_000) / RATE_PER_SECOND - performance.now()));
    pending.push(api.trigger(TASK));
  }
  const runs: TimedRun[] = [];
  for (const sent of await Promise.all(pending)) runs.push(await api.finished(sent));
  return runs;
}

/** A run on each stopped version, one after the other. */
export async function measureColdRuns({ api, installation }: Bench, versions: readonly string[]): Promise<TimedRun[]> {
  const runs: TimedRun[] = [];
  for (const version of versions) {
    if (replicas(installation).some((replica) => replica.version === version))
      throw new Error(`${version} has replicas: its run would not be cold.`);
    const run = await api.finished(await api.trigger(TASK, { lockToVersion: version }));
    if (run.version !== version) throw new Error(`${run.id} is locked to ${version} and ran on ${run.version}.`);
    runs.push(run);
  }
  return runs;
}
