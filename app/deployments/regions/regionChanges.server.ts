/** Holds an agent's call until the desired state of its region changes. */
import type { ChangesAnswer } from "../../../agent/protocol";
import type { AgentCaller } from "../../auth/types";
import type { Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { HeldCalls } from "../heldCalls";
import type { DeploymentFeed } from "../ports";

const AFTER_SQL = { name: "cp-region-changes", text: loadScript("deployments/regions/sql/changes-after.sql") };
/** The feed carries hints, and says so when it may have missed some; rows are read again this often without one. */
const REREAD_MS = 10_000;

type ChangeRow = { seq: number; deployment_id: string };
type ChangesDeps = { pool: Pool; feed: Pick<DeploymentFeed, "onTopology"> };
export type HeldChanges = { caller: AgentCaller; after: number; waitMs: number; signal: AbortSignal };

export class RegionChanges {
  private readonly held = new HeldCalls();

  constructor(private readonly deps: ChangesDeps) {}

  /** Empty after the wait, when the connection closes, or when the server drains; the agent asks again with the same cursor. */
  call(request: HeldChanges): Promise<ChangesAnswer> {
    return this.held.hold(request, async (held) => {
      const heard = new Set<number>();
      const unsubscribe = this.deps.feed.onTopology(request.caller.region.id, (seq) => {
        if (seq !== null) heard.add(seq);
        held.bell.ring();
      });
      try {
        for (;;) {
          const found = await this.read(request, heard);
          if (found.deploymentIds.length > 0 || held.isOver) return found;
          await held.bell.wait(REREAD_MS);
        }
      } finally {
        unsubscribe();
      }
    });
  }

  /** Answers every held call. */
  stop(): void {
    this.held.stop();
  }

  private async read({ caller, after }: HeldChanges, heard: ReadonlySet<number>): Promise<ChangesAnswer> {
    const { rows } = await this.deps.pool.query<ChangeRow>({ ...AFTER_SQL, values: [caller.region.id, after, [...heard]] });
    return {
      deploymentIds: [...new Set(rows.map((row) => row.deployment_id))],
      cursor: rows.reduce((newest, row) => Math.max(newest, Number(row.seq)), after),
    };
  }
}
