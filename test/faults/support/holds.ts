/**
 * Holds deployments inside a phase, so that a test can kill what drives them there and nowhere else: a trigger waits, at a
 * chosen write, for a lock that the test has. Nothing of the product knows of it; to the server it is a slow database.
 */
import type { Step } from "../../../app/deployments/phases";
import type { Pool, PoolClient } from "../../../app/platform/db.server";
import { eventually } from "../../e2e/support/processes";

/** Where a deployment stops: before a row is written, for those rows that `when` is true of. */
export type HoldPoint = { name: string; table: string; on: string; when?: string };

const LOCK_CLASS = 77;
const WAIT_MS = 120_000;

const write = (name: string, table: string, on = "INSERT", when?: string): HoldPoint => ({ name, table, on, when });
/** After the work of a step of the workflow, before the journal knows of it. */
const journal = (step: string, only = "true") =>
  write(`the journal of ${step}`, "dbos.operation_outputs", "INSERT", `NEW.function_name = '${step}' AND ${only}`);
/** Two steps have this name; what the first one leaves is about the phase, and the second is the one that starts replicas. */
const topologyJournal = journal("deploying.start", "NEW.output NOT LIKE '%startedAtMs%'");
/** After all work of a phase, before its row is closed. */
const end = (step: Step) =>
  write(`the end of ${step}`, "deployment_step", "UPDATE", `NEW.step = '${step}' AND OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL`);
const registration = write("the worker", "worker_version");
const release = write("the release", "deployment", "UPDATE", "OLD.release_digest IS NULL AND NEW.release_digest IS NOT NULL");
/** Only of the version that is being deployed: an agent reports all that it has, each time. */
const report = write("the report of replicas", "deployment_instance");

/** Five in each phase, from its beginning to its end; where there are fewer moments to tell apart, they come again. */
export const HOLD_POINTS: Record<Step, readonly HoldPoint[]> = {
  queued: [write("the slot", "build_slot"), journal("queued.line"), end("queued")],
  starting: [journal("starting.input"), journal("starting.regions"), end("starting")],
  building: [write("the build", "build_job"), registration, release, journal("building.built"), end("building")],
  deploying: [write("the topology", "deployment_topology"), topologyJournal, report, journal("deploying.health"), end("deploying")],
  network: [write("the routes", "version_route"), journal("network.route"), end("network")],
  finalizing: [write("the promotion", "deployment_promotion_event"), end("finalizing"), write("the follow-ups", "deployment_job")],
};

/** Moments in which an agent has a deployment in its hands. */
export const AGENT_POINTS = { building: [registration, release], deploying: [report] } as const;

const INSTALL_SQL = `
  CREATE TABLE fault_hold (environment_id text PRIMARY KEY, point text NOT NULL, number integer NOT NULL);
  CREATE FUNCTION fault_hold() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    written jsonb := to_jsonb(NEW);
    held integer;
  BEGIN
    SELECT number INTO held FROM public.fault_hold
    WHERE point = TG_ARGV[0] AND environment_id = coalesce(written->>'environment_id', (
      SELECT environment_id FROM public.deployment
      WHERE id = coalesce(written->>'deployment_id', replace(written->>'workflow_uuid', 'deploy:deployment_', ''))
        AND (TG_TABLE_NAME <> 'deployment_instance' OR phase = 'deploying')));
    IF FOUND THEN PERFORM pg_advisory_xact_lock_shared(${LOCK_CLASS}, held); END IF;
    RETURN NEW;
  END $$`;
const WAITING_SQL =
  "SELECT l.pid, a.application_name AS name FROM pg_locks l JOIN pg_stat_activity a USING (pid) " +
  `WHERE l.locktype = 'advisory' AND NOT l.granted AND l.classid = ${LOCK_CLASS} AND ($1::integer IS NULL OR l.objid = $1) AND a.datname = current_database()`;

export class Holds {
  private constructor(
    private readonly pool: Pool,
    private readonly holder: PoolClient
  ) {}

  /** Once there was a deployment: the journal's table comes with the first one. */
  static async install(pool: Pool): Promise<Holds> {
    await pool.query(INSTALL_SQL);
    const points = new Map(Object.values(HOLD_POINTS).flatMap((all) => all.map((point) => [point.name, point])));
    for (const [number, { name, table, on, when }] of [...points.values()].entries())
      await pool.query(
        `CREATE TRIGGER fault_${number} BEFORE ${on} ON ${table} FOR EACH ROW ${when ? `WHEN (${when})` : ""} EXECUTE FUNCTION public.fault_hold('${name}')`
      );
    return new Holds(pool, await pool.connect());
  }

  /** Deployments of the environment stop at `point` from now on. `number`: any, but not that of another hold. */
  async hold(environmentId: string, point: HoldPoint, number: number): Promise<void> {
    await this.holder.query("SELECT pg_advisory_lock($1, $2)", [LOCK_CLASS, number]);
    await this.holder.query("INSERT INTO fault_hold (environment_id, point, number) VALUES ($1, $2, $3)", [
      environmentId,
      point.name,
      number,
    ]);
  }

  /** Resolves once somebody has stopped there. */
  async reached(number: number): Promise<void> {
    await eventually(`hold ${number}`, WAIT_MS, async () => (await this.pool.query(WAITING_SQL, [number])).rowCount);
  }

  /** Ends the sessions in which a process that is dead now was held, as the database does when it notices. */
  async breakOff(applicationName: string): Promise<void> {
    const sql = `SELECT pg_terminate_backend(pid) FROM (${WAITING_SQL}) waiting WHERE name = $2`;
    await this.holder.query(sql, [null, applicationName]);
    const left = async () =>
      (await this.holder.query<{ name: string }>(WAITING_SQL, [null])).rows.some(({ name }) => name === applicationName);
    await eventually("the end of held sessions", WAIT_MS, async () => !(await left()));
  }

  /** Lets everybody go on. */
  async release(): Promise<void> {
    await this.holder.query("DELETE FROM fault_hold");
    await this.holder.query("SELECT pg_advisory_unlock_all()");
  }

  async close(): Promise<void> {
    await this.release();
    this.holder.release();
  }
}
