/** Promotions through one server, seen through another one on the same stores. */
import { performance } from "node:perf_hooks";
import { z } from "zod";
import { joining, newInstallation, removeInstallation, startServer, type RunningServer } from "../server";
import { Api } from "./api";
import { TASK } from "./project";
import { isStopped, phaseOf, until, type Deployed } from "./rows";
import type { Bench } from "./steps";

const versionSchema = z.object({ version: z.string() });
/** The other server has never asked for the environment before; that costs, and is not what is measured. */
const WARM_UP = 2;

/** Milliseconds from the promote's answer to the first answer of the other server that names the version. */
export async function measurePromotions(bench: Bench, pair: readonly [Deployed, Deployed]): Promise<number[]> {
  const installation = await newInstallation(joining(bench.installation));
  let server: RunningServer | undefined;
  try {
    server = await startServer(installation);
    return await promote(bench, pair, new Api(installation.origin, bench.credentials.environments.prod.secretKey));
  } finally {
    await server?.stop();
    removeInstallation(installation);
  }
}

async function promote({ api, pool, effort }: Bench, [current, older]: readonly [Deployed, Deployed], other: Api): Promise<number[]> {
  // The cold run may have woken it already.
  if (await isStopped(pool, older.id)) await api.call("POST", `/api/v1/deployments/${older.version}/wake`);
  await until(`${older.version} is awake`, async () => (await phaseOf(pool, older.id)) === "ready");
  const times: number[] = [];
  for (let n = 0; n < WARM_UP + effort.promotions; n++) {
    const { version } = n % 2 === 0 ? older : current;
    await api.call("POST", `/api/v1/deployments/${version}/promote?allowRollbacks=true`);
    const begun = performance.now();
    // The next trigger on the other server, sent before anything else is asked of it.
    const run = other.trigger(TASK);
    while (versionSchema.parse(await other.call("GET", "/api/v1/deployments/current")).version !== version) continue;
    if (n >= WARM_UP) times.push(performance.now() - begun);
    const { version: ranOn, id } = await other.finished(await run);
    if (ranOn !== version) throw new Error(`${id} was triggered after ${version} was promoted and ran on ${ranOn}.`);
  }
  return times;
}
