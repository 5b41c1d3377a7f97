/** A server that is killed again and again under load: every run that it acknowledged reaches a final state, once. */
import { expect } from "vitest";
import type { Cluster } from "./cluster";
import { finalRuns } from "./history";

/** A worker's answer can be lost with the server: such a run is found by these timeouts, which are minutes by default. */
export const SHORT_TIMEOUTS = { SLUICE_START_TIMEOUT_MS: "3000", SLUICE_HEARTBEAT_TIMEOUT_MS: "8000" };

/** Kills the first server at `kills` random instants. */
export async function expectToSurvive(cluster: Cluster, kills: number): Promise<void> {
  const worker = cluster.worker({ pollers: 10, workMs: () => 5 + Math.random() * 30 });
  await worker.start();
  const load = cluster.load(100);
  load.start();
  for (let kill = 0; kill < kills; kill++) {
    await new Promise((resolve) => setTimeout(resolve, 200 + Math.random() * 800));
    await cluster.first.killServer();
    await cluster.first.start();
  }
  await load.stop();
  await cluster.drained(120_000);
  await worker.stop();
  const finals = await finalRuns(cluster.services.pool);
  expect(load.acknowledged.filter((id) => !finals.has(id))).toEqual([]);
  expect(new Set(load.acknowledged).size).toBe(load.acknowledged.length);
  const { rows } = await cluster.services.pool.query<{ n: number }>("SELECT count(*)::int AS n FROM run_ops.run");
  expect(rows[0]?.n).toBe(finals.size);
}
