import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RegionAgent } from "../agent";
import { SUSPEND_REFUSED } from "../protocol";
import { Fixture, eventually } from "../testing/fixture";
import type { TestRun } from "../testing/wireMessages";
import { isFinal } from "./spool";

let fixture: Fixture;
let agent: RegionAgent;
beforeEach(async () => {
  fixture = await Fixture.create();
  fixture.server.desire({ id: "d1", releaseDigest: fixture.release(), replicas: 2 });
  agent = await fixture.agent();
  await fixture.running("d1", 2);
});
afterEach(() => fixture.close());

async function busy(payload: object = { sleepMs: 60_000 }): Promise<{ run: TestRun; secret: string; url: string }> {
  const run = fixture.server.trigger({ deploymentId: "d1", payload });
  await eventually("the attempt", () => run.state === "executing");
  const replica = agent.set.byRun(run.id);
  return { run, secret: replica?.secret ?? "", url: `http://127.0.0.1:${agent.workloadPort}/api/v1/workload-actions/runs` };
}

const post = (url: string, secret: string | undefined, method = "POST") =>
  fetch(url, { method, headers: secret ? { "x-trigger-workload-runner-id": secret } : {}, ...(method === "POST" ? { body: "{}" } : {}) });

describe("B9: who may ask", () => {
  it("a process is served for its own run and for no other", async () => {
    const first = await busy();
    const second = await busy();
    expect((await post(`${first.url}/${first.run.id}/snapshots/snapshot_x/heartbeat`, first.secret)).status).toBe(200);
    expect((await post(`${first.url}/${second.run.id}/snapshots/snapshot_x/heartbeat`, first.secret)).status).toBe(403);
    expect((await post(`${first.url}/${second.run.id}/snapshots/snapshot_x/attempts/complete`, first.secret)).status).toBe(403);
    expect(second.run.completions).toEqual([]);
    first.run.state = second.run.state = "finished";
  });

  it("nobody else is served: no id, a guess, the public name", async () => {
    const { run, url } = await busy();
    for (const secret of [undefined, "runner_0", agent.set.byRun(run.id)?.name]) {
      const answer = await post(`${url}/${run.id}/snapshots/snapshot_x/attempts/complete`, secret);
      expect(answer.status).toBe(401);
      expect(answer.headers.get("x-should-retry")).toBe("false");
    }
    expect((await fetch(`http://127.0.0.1:${agent.workloadPort}/warm-start`)).status).toBe(401);
    run.state = "finished";
  });

  it("secrets have 128 random bits and never leave in a report", async () => {
    const secrets = agent.set.all().map((replica) => replica.secret);
    for (const secret of secrets) expect(secret).toMatch(/^runner_[0-9a-f]{32}$/);
    expect(new Set(secrets).size).toBe(2);
    for (const secret of secrets) expect(JSON.stringify(fixture.server.instances)).not.toContain(secret);
  });
});

describe("calls", () => {
  it("suspend is refused: processes wait in memory", async () => {
    const { run, secret, url } = await busy();
    const answer = await post(`${url}/${run.id}/snapshots/snapshot_x/suspend`, secret, "GET");
    expect(await answer.json()).toEqual({ ok: false, error: SUSPEND_REFUSED });
    run.state = "finished";
  });

  it("a process whose task was cancelled or died gets no other run", async () => {
    const { run, secret, url } = await busy();
    const replica = agent.set.byRun(run.id);
    const completion = { id: run.id, ok: false, error: { type: "INTERNAL_ERROR", code: "TASK_RUN_CANCELLED" } };
    const answer = await fetch(`${url}/${run.id}/snapshots/snapshot_x/attempts/complete`, {
      method: "POST",
      headers: { "x-trigger-workload-runner-id": secret },
      body: JSON.stringify({ completion }),
    });
    expect(answer.status).toBe(200);
    expect(replica?.draining).toBe(true);
    await fixture.running("d1", 2);
  });

  it("98: tasks see nothing of the host's environment", async () => {
    process.env.SLUICE_TEST_HOST_SECRET = "not for tasks";
    fixture.server.variables = { USER_VARIABLE: "yes" };
    const run = fixture.server.trigger({ deploymentId: "d1", payload: { echoEnv: true } });
    await eventually("the run", () => run.state === "finished");
    const seen = JSON.parse(run.completions[0]?.output ?? "{}") as { controller: Record<string, string>; task: Record<string, string> };
    expect(seen.task.USER_VARIABLE).toBe("yes");
    expect(Object.values(seen.controller)).not.toContain("not for tasks");
    expect(Object.keys(seen.task).sort()).toEqual(["SLUICE_REPLICA", "TRIGGER_API_URL", "TRIGGER_SECRET_KEY", "USER_VARIABLE"]);
    delete process.env.SLUICE_TEST_HOST_SECRET;
  });
});

describe("B13: completions", () => {
  const spooled = () => {
    const dir = path.join(fixture.dataDir, "spool");
    return existsSync(dir) ? readdirSync(dir).filter((name) => name.endsWith(".json")) : [];
  };

  it("are kept while the server is away, and delivered when it is back", async () => {
    fixture.server.completeStatus = 0;
    const run = fixture.server.trigger({ deploymentId: "d1" });
    await eventually("the spool", () => spooled().length === 1);
    await eventually("the replica to be free", () => agent.set.byRun(run.id) === undefined);
    fixture.server.completeStatus = 200;
    await eventually("the delivery", () => run.completions.length === 1);
    await eventually("an empty spool", () => spooled().length === 0);
    expect(run.completions[0]?.ok).toBe(true);
  });

  it("are delivered by the next agent", async () => {
    fixture.server.completeStatus = 503;
    const run = fixture.server.trigger({ deploymentId: "d1" });
    await eventually("the spool", () => spooled().length === 1);
    await eventually("the replica to be free", () => agent.set.byRun(run.id) === undefined);
    await fixture.stopAgent(agent);
    fixture.server.completeStatus = 200;
    agent = await fixture.agent();
    await eventually("the delivery", () => run.completions.length === 1);
    await eventually("an empty spool", () => spooled().length === 0);
  });

  it("a final refusal ends the attempts to deliver", async () => {
    fixture.server.completeStatus = 400;
    const run = fixture.server.trigger({ deploymentId: "d1" });
    await eventually("the replica to be free again", () => run.attempts === 1 && agent.set.byRun(run.id) === undefined);
    expect(spooled()).toEqual([]);
    run.state = "finished";
  });

  it("which answers are final", () => {
    const final = (status: number, retry?: string) =>
      isFinal({ status, headers: retry ? { "x-should-retry": retry } : {}, body: Buffer.alloc(0) });
    expect([200, 400, 404, 422].every((status) => final(status))).toBe(true);
    expect([401, 403, 408, 409, 429, 500, 503].some((status) => final(status))).toBe(false);
    expect(final(409, "false")).toBe(true);
    expect(final(400, "true")).toBe(false);
  });
});
