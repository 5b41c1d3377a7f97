/** DBOS as it runs in the deployer. It is a singleton of the process: one session at a time, its workflow registered once. */
import type * as Dbos from "@dbos-inc/dbos-sdk";
import type { Pool } from "../../../platform/db.server";
import { errorMessage, type Logger } from "../../../platform/logger";
import { DeployError } from "../errors";
import { attempt, park, unwrap, type AttemptGate, type StepOutcome } from "./attempts";
import { dbosLogger } from "./dbosLogger";
import { DBOS_NAMES } from "./dbosNames";
import { createDeployerPool } from "./deployerPool.server";
import type { DurableBody, DurableContext, EngineSession, WorkflowState } from "./engine";

type Library = typeof Dbos.DBOS;
export type DbosSessionOptions = { directDatabaseUrl: string; log: Logger; body: DurableBody; onFenced: () => void };

const ATTEMPTS = 5;
/** Lost hints cost at most this long. */
const REREAD_EVERY_MS = 2_000;
/** A deployment that was created waits at most this long to be picked up. */
const POLL_EVERY_MS = 150;
const POOL_SIZE = 6;
/** Restarts of the server that one deployment may live through. */
const MAX_RECOVERIES = 1_000;
const FORGET_PAGE = 500;

const KEY = Symbol.for("sluice.deployer");
type Holder = { [KEY]?: { session: DbosSession | null } };

/** The session of this process; the registered workflow asks here for whom it runs. */
function slot(library: Library): { session: DbosSession | null } {
  const holder = globalThis as Holder;
  if (holder[KEY]) return holder[KEY];
  const created = (holder[KEY] = { session: null as DbosSession | null });
  library.registerWorkflow((id: string) => (created.session ? created.session.run(id) : park()), {
    name: DBOS_NAMES.workflow,
    maxRecoveryAttempts: MAX_RECOVERIES,
  });
  return created;
}

export class DbosSession implements EngineSession {
  readonly running = new Set<string>();
  private readonly rereads = new Map<string, Reread>();
  private readonly timer: NodeJS.Timeout;
  private readonly pool: Pool;
  private isClosed = false;
  private closing: Promise<void> | undefined;

  private constructor(
    private readonly dbos: Library,
    private readonly options: DbosSessionOptions
  ) {
    this.timer = setInterval(() => void this.reread(), REREAD_EVERY_MS);
    this.pool = createDeployerPool({
      directDatabaseUrl: options.directDatabaseUrl,
      max: POOL_SIZE,
      name: "sluice-deployer",
      log: options.log,
    });
  }

  /** Picks up what an earlier deployer left. Throws while another session of this process is open. */
  static async launch(dbos: Library, options: DbosSessionOptions): Promise<DbosSession> {
    const holder = slot(dbos);
    if (holder.session) throw new Error("A deployer session is open in this process.");
    const session = new DbosSession(dbos, options);
    holder.session = session;
    try {
      dbos.setConfig({
        name: DBOS_NAMES.application,
        systemDatabaseUrl: options.directDatabaseUrl,
        systemDatabaseSchemaName: DBOS_NAMES.schema,
        systemDatabasePool: session.pool,
        executorID: DBOS_NAMES.executor,
        applicationVersion: DBOS_NAMES.applicationVersion,
        runAdminServer: false,
        logger: dbosLogger(options.log),
      });
      await dbos.launch();
      await dbos.registerQueue(DBOS_NAMES.queue, { minPollingIntervalMs: POLL_EVERY_MS, onConflict: "always_update" });
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  async run(id: string): Promise<void> {
    this.running.add(id);
    try {
      await this.options.body(this.context(id));
      if (this.isClosed) await park();
    } catch (error) {
      if (this.isClosed) return park();
      throw error;
    } finally {
      this.running.delete(id);
    }
  }

  async state(id: string): Promise<WorkflowState> {
    const status = await this.dbos.getWorkflowStatus(DBOS_NAMES.workflowId(id));
    if (!status) return "missing";
    return ["ENQUEUED", "PENDING", "DELAYED"].includes(status.status) ? "waiting" : "ended";
  }

  async resume(id: string): Promise<void> {
    await this.dbos.resumeWorkflow(DBOS_NAMES.workflowId(id), { queueName: DBOS_NAMES.queue });
  }

  async forget(before: Date): Promise<void> {
    const ended = await this.dbos.listWorkflows({
      workflowName: DBOS_NAMES.workflow,
      status: ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
      endTime: before.toISOString(),
      limit: FORGET_PAGE,
      loadInput: false,
      loadOutput: false,
    });
    if (ended.length > 0) await this.dbos.deleteWorkflows(ended.map((workflow) => workflow.workflowID));
  }

  close(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.timer);
    this.rereads.clear();
    this.closing ??= this.shutdown();
    return this.closing;
  }

  private async shutdown(): Promise<void> {
    const holder = slot(this.dbos);
    await this.dbos.shutdown().catch((error: unknown) => this.options.log.warn("deployer.shutdown", { message: errorMessage(error) }));
    await this.pool.end();
    if (holder.session === this) holder.session = null;
  }

  private context(id: string): DurableContext {
    const gate: AttemptGate = { closed: () => this.isClosed, fenced: () => this.options.onFenced() };
    const step = async <T>(name: string, work: () => Promise<T>, options: { attempts?: number } = {}): Promise<T> => {
      const outcome = await this.journalled<StepOutcome<T>>(() =>
        this.dbos.runStep(() => attempt(gate, work, options.attempts ?? ATTEMPTS), { name })
      );
      return unwrap(outcome);
    };
    const waitFor = async <T>(name: string, deadlineMs: number, check: () => Promise<T | null>): Promise<T | null> => {
      const entry: Reread = { check, told: false };
      this.rereads.set(id, entry);
      try {
        for (;;) {
          const found = await step(name, check);
          if (found !== null) return found;
          entry.told = false;
          const hint = await this.journalled(() => this.dbos.recv<string>(DBOS_NAMES.hints, { deadlineEpochMS: deadlineMs }));
          if (hint === null) return await step(name, check);
        }
      } finally {
        this.rereads.delete(id);
      }
    };
    return { id, step, waitFor };
  }

  /** An operation of DBOS. While the session closes, neither its answer nor its error may reach the body. */
  private async journalled<T>(operation: () => Promise<T>): Promise<T> {
    if (this.isClosed) return park();
    try {
      const value = await operation();
      return this.isClosed ? await park() : value;
    } catch (error) {
      if (this.isClosed) return park();
      throw error;
    }
  }

  private async reread(): Promise<void> {
    await Promise.all([...this.rereads].map(([id, entry]) => this.look(id, entry)));
  }

  private async look(id: string, entry: Reread): Promise<void> {
    if (entry.told || this.isClosed) return;
    try {
      if (!(await hasAnswer(entry)) || this.rereads.get(id) !== entry || this.isClosed) return;
      entry.told = true;
      await this.dbos.send(DBOS_NAMES.workflowId(id), "reread", DBOS_NAMES.hints);
    } catch (error) {
      entry.told = false;
      this.options.log.debug("deployer.reread", { deploymentId: id, message: errorMessage(error) });
    }
  }
}

/** A wait that is under way here. `told`: a hint is on its way, another would only be one more line in the journal. */
type Reread = { check: () => Promise<unknown>; told: boolean };

/** A rule that says no is an answer too; a database that is away is none. */
async function hasAnswer({ check }: Reread): Promise<boolean> {
  try {
    return (await check()) !== null;
  } catch (error) {
    if (error instanceof DeployError) return true;
    throw error;
  }
}
