/** The server is killed at twenty random instants under load. */
import { afterAll, beforeAll, test } from "vitest";
import { Cluster } from "../e2e/support/cluster";
import { expectToSurvive, SHORT_TIMEOUTS } from "../e2e/support/serverKills";

const KILLS = 20;
const TIMEOUT_MS = 400_000;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start(1, SHORT_TIMEOUTS);
}, TIMEOUT_MS);
afterAll(() => cluster?.stop());

test("every acknowledged run reaches a final state exactly once", () => expectToSurvive(cluster, KILLS), TIMEOUT_MS);
