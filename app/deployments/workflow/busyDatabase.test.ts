/** Deployments that the database keeps waiting: the rest of the server has connections of its own. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWorkflowFixture, holdLock, type WorkflowFixture } from "../../../test/workflowFixture";
import type { TestWorkflow } from "../../../test/support/deploymentWorkflow";
import { createTenant, waitFor } from "../../../test/tenant";

const CONNECTIONS = 3;
const WAITING_SQL = "SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

let f: WorkflowFixture;
let w: TestWorkflow;
beforeAll(async () => {
  f = await createWorkflowFixture();
  w = await f.startWorkflow({ connections: CONNECTIONS });
});
afterAll(() => f.close());

describe("deployments that wait for a lock", { timeout: 60_000 }, () => {
  it("leave requests and the deployer's lease their connections, and go on when it is free", async () => {
    const deployments: { id: string }[] = [];
    const lock = await holdLock(f.pool, "LOCK TABLE build_job IN SHARE MODE");
    try {
      for (let n = 0; n <= CONNECTIONS; n += 1) deployments.push(await f.deploy((await createTenant(f.environments)).prod));
      const waiting = async () => (await f.pool.query<{ waiting: number }>(WAITING_SQL)).rows[0]?.waiting ?? 0;
      await waitFor(async () => (await waiting()) >= CONNECTIONS);
      const epoch = w.workflow.epoch();
      expect((await w.pool.query("SELECT 1 AS answer")).rows).toEqual([{ answer: 1 }]);
      await waitFor(async () => (await waiting()) === deployments.length);
      expect(w.workflow.epoch()).toBe(epoch);
      expect(epoch).not.toBeNull();
    } finally {
      await lock.release();
    }
    for (const { id } of deployments) expect(await f.untilEnded(id)).toBe("ready");
  });
});
