/**
 * The durable engine over DBOS, in schema `dbos` of the control-plane database. Every process may start and signal
 * workflows in its own transactions; only the deployer launches DBOS, and only while there is work: an idle DBOS asks the
 * database several times a second.
 */
import { setTimeout as delay } from "node:timers/promises";
import type * as Dbos from "@dbos-inc/dbos-sdk";
import { inTransaction, type Pool, type PoolClient } from "../../../platform/db.server";
import type { Logger } from "../../../platform/logger";
import type { Queryable, WorkflowTopic } from "../../ports";
import { DbosSession } from "./dbosSession.server";
import { dbosLogger } from "./dbosLogger";
import { DBOS_NAMES } from "./dbosNames";
import type { DurableBody, DurableEngine, EngineSession } from "./engine";

export type DbosEngineOptions = {
  pool: Pool;
  /** For DBOS's own connections, which listen: no transaction pooler in between. */
  directDatabaseUrl: string;
  log: Logger;
};

const STATUS_SQL = `SELECT 1 FROM ${DBOS_NAMES.schema}.workflow_status WHERE workflow_uuid = $1 AND status IN ('ENQUEUED', 'PENDING', 'DELAYED')`;
/**
 * Any number that nothing else locks; processes that start together create the schema one after the other. It is tried, never waited
 * for: the migrations build indexes concurrently, which waits for every running statement, also for one that waits for this lock.
 */
const SCHEMA_LOCK = "SELECT pg_try_advisory_xact_lock(4216009) AS mine";
const TRY_AGAIN_MS = 100;

export class DbosEngine implements DurableEngine {
  private library: Promise<typeof Dbos> | undefined;
  private client: Promise<Dbos.DBOSClient> | undefined;

  constructor(private readonly options: DbosEngineOptions) {}

  async prepare(): Promise<void> {
    await this.clientOnce();
  }

  async startOnce(tx: PoolClient, id: string): Promise<void> {
    const client = await this.clientOnce();
    await client.enqueueInTransaction(
      tx,
      {
        queueName: DBOS_NAMES.queue,
        workflowName: DBOS_NAMES.workflow,
        workflowID: DBOS_NAMES.workflowId(id),
        appVersion: DBOS_NAMES.applicationVersion,
      },
      id
    );
  }

  async signal(db: Queryable, id: string, topic: WorkflowTopic): Promise<void> {
    if ("totalCount" in db) return inTransaction(db, (tx) => this.signal(tx, id, topic));
    const client = await this.clientOnce();
    const workflowId = DBOS_NAMES.workflowId(id);
    // A message to a workflow that does not exist would break the caller's transaction.
    const { rowCount } = await db.query(STATUS_SQL, [workflowId]);
    if (rowCount) await client.sendInTransaction(db, workflowId, topic, DBOS_NAMES.hints);
  }

  async launch(body: DurableBody, onFenced: () => void): Promise<EngineSession> {
    await this.clientOnce();
    const { DBOS } = await this.load();
    return DbosSession.launch(DBOS, { ...this.options, body, onFenced });
  }

  private load(): Promise<typeof Dbos> {
    this.library ??= import("@dbos-inc/dbos-sdk");
    return this.library;
  }

  private clientOnce(): Promise<Dbos.DBOSClient> {
    this.client ??= this.connect().catch((error: unknown) => {
      this.client = undefined;
      throw error;
    });
    return this.client;
  }

  private async connect(): Promise<Dbos.DBOSClient> {
    const { DBOS, DBOSClient } = await this.load();
    const { pool, directDatabaseUrl, log } = this.options;
    const migrate = () =>
      inTransaction(pool, async (tx) => {
        const { rows } = await tx.query<{ mine: boolean }>(SCHEMA_LOCK);
        if (rows[0]?.mine) await DBOS.migrate(directDatabaseUrl, { schemaName: DBOS_NAMES.schema });
        return rows[0]?.mine ?? false;
      });
    while (!(await migrate())) await delay(TRY_AGAIN_MS);
    return DBOSClient.create({
      systemDatabaseUrl: directDatabaseUrl,
      systemDatabasePool: pool,
      systemDatabaseSchemaName: DBOS_NAMES.schema,
      applicationName: DBOS_NAMES.application,
      logger: dbosLogger(log),
    });
  }
}
