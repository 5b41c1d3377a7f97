/** Holds an agent's call until the desired state of its region changes. */
import type { ChangesAnswer } from "../../../agent/protocol";
import type { AgentCaller } from "../../auth/types";
import type { Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import type { DeploymentFeed } from "../ports";

const AFTER_SQL = { name: "cp-region-changes", text: loadScript("deployments/regions/sql/changes-after.sql") };
/** The feed carries hints, and says so when it may have missed some; rows are read again this often without one. */
const REREAD_MS = 10_000;

type ChangeRow = { seq: number; deployment_id: string };
type ChangesDeps = { pool: Pool; feed: Pick<DeploymentFeed, "onTopology"> };
export type HeldChanges = { caller: AgentCaller; after: number; waitMs: number; signal: AbortSignal };

export class RegionChanges {
  private readonly held = new Set<() => void>();
  private stopped = false;

  constructor(private readonly deps: ChangesDeps) {}

  /** Empty after the wait, when the connection closes, or when the server drains; the agent asks again with the same cursor. */
  async call(request: HeldChanges): Promise<ChangesAnswer> {
    const heard = new Set<number>();
    const pause = new Pause();
    const wake = (seq: number | null) => {
      if (seq !== null) heard.add(seq);
      pause.end();
    };
    const leave = () => pause.close();
    const unsubscribe = this.deps.feed.onTopology(request.caller.region.id, wake);
    const timer = setTimeout(leave, request.waitMs);
    request.signal.addEventListener("abort", leave, { once: true });
    this.held.add(leave);
    if (this.stopped || request.signal.aborted) leave();
    try {
      for (;;) {
        const found = await this.read(request, heard);
        if (found.deploymentIds.length > 0 || pause.isClosed) return found;
        await pause.take(REREAD_MS);
      }
    } finally {
      clearTimeout(timer);
      unsubscribe();
      request.signal.removeEventListener("abort", leave);
      this.held.delete(leave);
    }
  }

  /** Answers every held call. */
  stop(): void {
    this.stopped = true;
    for (const leave of [...this.held]) leave();
  }

  private async read({ caller, after }: HeldChanges, heard: ReadonlySet<number>): Promise<ChangesAnswer> {
    const { rows } = await this.deps.pool.query<ChangeRow>({ ...AFTER_SQL, values: [caller.region.id, after, [...heard]] });
    return {
      deploymentIds: [...new Set(rows.map((row) => row.deployment_id))],
      cursor: rows.reduce((newest, row) => Math.max(newest, Number(row.seq)), after),
    };
  }
}

/** A wait that can be ended early, also before it begins. */
class Pause {
  isClosed = false;
  private ended = false;
  private resolve: (() => void) | undefined;

  end(): void {
    this.ended = true;
    this.resolve?.();
  }

  close(): void {
    this.isClosed = true;
    this.end();
  }

  async take(ms: number): Promise<void> {
    if (!this.ended) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.resolve = resolve;
        timer = setTimeout(resolve, ms);
      });
      clearTimeout(timer);
    }
    this.ended = false;
  }
}
