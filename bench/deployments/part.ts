/** Deployments: the example through the real CLI, runs on what was deployed, promotions, pages and the agent's memory. */
import pg from "pg";
import { killAll } from "../../agent/replicas/proc";
import type { Part } from "../report";
import {
  joining,
  newInstallation,
  readCredentials,
  removeInstallation,
  startServer,
  type Installation,
  type RunningServer,
} from "../server";
import { Api } from "./api";
import { DEPLOYMENTS, measureList } from "./list";
import { BenchProject } from "./project";
import { measurePromotions } from "./promotion";
import { replicas } from "./replicas";
import { Session } from "./session";
import {
  FULL,
  measureColdRuns,
  measureDeploys,
  measureFirstRuns,
  measureMemory,
  measureProgress,
  measureSustained,
  measureWarmRuns,
  QUICK,
  stopOthers,
  type Bench,
} from "./steps";
import { rowsOf, type Measured } from "./table";

/** Leaves nothing running and nothing on the disk, whatever fails. */
export const measureDeployments: Part = async ({ quick, say }) => {
  const effort = quick ? QUICK : FULL;
  const installation = await newInstallation();
  const project = BenchProject.create();
  let server: RunningServer | undefined;
  let pool: pg.Pool | undefined;
  try {
    say("Start.");
    server = await startServer(installation);
    const credentials = readCredentials(installation);
    pool = new pg.Pool({ connectionString: joining(installation).DATABASE_URL, max: 10 });
    pool.on("error", () => undefined);
    const { origin } = installation;
    const api = new Api(origin, credentials.environments.prod.secretKey);
    const session = await Session.signIn(origin, credentials.loginUrl);
    const measured = await measure({ effort, installation, credentials, pool, api, session, project, say });
    const notes = [
      `Redeployments: ${measured.again.length}. Runs: ${measured.warmRuns.length} warm, ${measured.sustained.length} sustained, ${measured.firstRuns.length} first, ${measured.coldRuns.length} cold. Promotions: ${measured.promotions.length}. Phases watched: ${measured.delays.map((one) => one.phase).join(", ")}.`,
    ];
    return { notes, rows: rowsOf(measured) };
  } finally {
    await pool?.end();
    await end(installation, server);
    project.remove();
  }
};

/** Order matters: memory before any run, first runs before warm ones, cold ones before a version is woken. */
async function measure(bench: Bench): Promise<Measured> {
  const { say, credentials, pool, session } = bench;
  const { first, again } = await measureDeploys(bench);
  say("A deployment with its progress page open.");
  const { deployed: current, delays } = await measureProgress(bench);
  const others = [first, ...again];
  say("Memory, runs on parked and warm replicas.");
  await stopOthers(bench, others, current);
  const agentBytes = await measureMemory(bench);
  const firstRuns = await measureFirstRuns(bench);
  const warmRuns = await measureWarmRuns(bench);
  const sustained = await measureSustained(bench);
  say("Cold runs.");
  const coldRuns = await measureColdRuns(
    bench,
    others.map(({ version }) => version)
  );
  say("Promotions, with a second server.");
  const promotions = await measurePromotions(bench, [current, first]);
  say(`The list of ${DEPLOYMENTS} deployments.`);
  const stagingId = credentials.environments.staging.id;
  const list = await measureList({ pool, session, projectRef: credentials.projectRef, stagingId });
  return { first, again, delays, agentBytes, firstRuns, warmRuns, sustained, coldRuns, promotions, list };
}

/** A replica that is busy when its server ends is left to the next one; here there is none. */
async function end(installation: Installation, server: RunningServer | undefined): Promise<void> {
  const left = replicas(installation);
  await server?.stop();
  for (const { name } of left) await killAll(name, null);
  removeInstallation(installation);
}
