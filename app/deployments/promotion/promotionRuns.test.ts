/** Test 85 of the deployments specification: runs follow the pointer that promote and rollback move, over their routes. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDeployedFixture, type DeployedFixture, type TestAgent, type TestDeployment } from "../../../test/deployedFixture";
import { callRoute } from "../../../test/testApp";
import * as promoteRoute from "../../routes/api.v1.deployments.$deploymentVersion.promote";
import * as rollbackRoute from "../../routes/api.v1.deployments.$deploymentVersion.rollback";

let f: DeployedFixture;
let agent: TestAgent;

beforeAll(async () => {
  f = await createDeployedFixture();
  agent = f.agent((await f.region("local")).token);
  await agent.introduce();
});
afterAll(() => f.close());

type Message = { run: { friendlyId: string }; backgroundWorker: { version: string } };

async function trigger(task: string, options: Record<string, unknown> = {}): Promise<string> {
  const env = await f.environment("prod");
  const context = { trace: { traceparent: null }, requestKey: randomUUID(), source: "api", realtimeStreamsVersion: "v1" } as never;
  return (await f.app.runs.triggerTask.call({ env, task, body: { payload: 1, options }, context, oneTimeToken: null })).runId;
}

async function poll(waitMs: number): Promise<Message | undefined> {
  return (await agent.post<Message[]>("/engine/v1/worker-actions/dequeue", { waitMs })).body[0];
}

async function change(route: object, { version }: TestDeployment): Promise<void> {
  const answer = await callRoute(route, { method: "POST", params: { deploymentVersion: version }, token: f.prod.secretKey });
  expect(answer).toMatchObject({ status: 200, body: { version } });
}

const statusOf = async (runId: string) => (await f.app.store.getRun(f.prod.id, runId))?.status;

test("85: a promotion hands out what waited for it, once each; after a rollback new runs take the older version", async () => {
  const older = await f.deploy({ tasks: [{ id: "a" }], current: false });
  const newer = await f.deploy({ tasks: [{ id: "a" }, { id: "late" }], current: false });
  await change(promoteRoute, older);
  const waiting = [await trigger("late"), await trigger("late")];
  // A poll for work is what parks a run that no version has.
  const parked = async (runId: string) => {
    expect(await poll(300)).toBeUndefined();
    return statusOf(runId);
  };
  for (const runId of waiting) await expect.poll(() => parked(runId), { timeout: 20_000 }).toBe("PENDING_VERSION");

  await change(promoteRoute, newer);
  const messages = [await poll(5_000), await poll(5_000)];
  expect(messages.map((message) => message?.run.friendlyId).sort()).toEqual(waiting.map((runId) => `run_${runId}`).sort());
  expect(messages.map((message) => message?.backgroundWorker.version)).toEqual([newer.version, newer.version]);
  expect(await poll(200)).toBeUndefined();

  await change(rollbackRoute, older);
  await expect.poll(async () => (await f.app.environments.byId(f.prod.id))?.currentWorkerId, { timeout: 20_000 }).toBe(older.workerId);
  const next = await trigger("a");
  expect(await poll(5_000)).toMatchObject({ run: { friendlyId: `run_${next}` }, backgroundWorker: { version: older.version } });
});

test("85: a run that is locked to a version executes on it after that version was demoted", async () => {
  const older = await f.deploy({ tasks: [{ id: "locked" }], current: false });
  const newer = await f.deploy({ tasks: [{ id: "locked" }], current: false });
  await change(promoteRoute, newer);
  const [locked, free] = [await trigger("locked", { lockToVersion: older.version }), await trigger("locked")];
  const messages = [await poll(5_000), await poll(5_000)];
  expect(Object.fromEntries(messages.map((message) => [message?.run.friendlyId, message?.backgroundWorker.version]))).toEqual({
    [`run_${locked}`]: older.version,
    [`run_${free}`]: newer.version,
  });
});
