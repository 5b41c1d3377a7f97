/** The list of an environment with a thousand deployments. */
import { performance } from "node:perf_hooks";
import type pg from "pg";
import { DeploymentFactory } from "../../test/deploymentFactory";
import type { Session } from "./session";

export const DEPLOYMENTS = 1_000;
const READINGS = 10;
/** The first reading compiles queries and templates. */
const WARM_UP = 3;
/** Every tenth failed, as in a life. */
const FAILED_EVERY = 10;
const DAY_MS = 86_400_000;
const INSERTS_AT_ONCE = 8;

/** Milliseconds of each reading, from the request to the last byte. Staging is filled: what is deployed is in prod. */
export async function measureList(place: { pool: pg.Pool; session: Session; projectRef: string; stagingId: string }): Promise<number[]> {
  await fill(place.pool, place.stagingId);
  const page = await place.session.follow(`/projects/v3/${place.projectRef}/deployments?envSlug=staging`);
  const times: number[] = [];
  for (let n = 0; n < WARM_UP + READINGS; n++) {
    const begun = performance.now();
    const html = await place.session.page(page);
    const taken = performance.now() - begun;
    if (!html.includes(versionOf(DEPLOYMENTS - 1))) throw new Error("The list does not show the newest deployment.");
    if (n >= WARM_UP) times.push(taken);
  }
  return times;
}

const versionOf = (n: number) => `20200101.${n + 1}`;

async function fill(pool: pg.Pool, environmentId: string): Promise<void> {
  const { rows } = await pool.query<{ project_id: string }>("SELECT project_id FROM environment WHERE id = $1", [environmentId]);
  const factory = new DeploymentFactory(pool, { id: environmentId, project: { id: rows[0]?.project_id ?? "" } });
  const begun = Date.now() - DAY_MS;
  let next = 0;
  const insert = async () => {
    for (let n = next++; n < DEPLOYMENTS; n = next++) {
      const failed = n % FAILED_EVERY === 1;
      await factory.make({
        version: versionOf(n),
        createdAt: new Date(begun + n * 1_000),
        phase: failed ? "failed" : "stopped",
        ...(failed ? { failedStep: "building" as const, error: "It did not build" } : {}),
      });
    }
  };
  await Promise.all(Array.from({ length: INSERTS_AT_ONCE }, insert));
  await pool.query("ANALYZE");
}
