/** Tests 83 and 99 of the deployments specification, and the rules of stop, wake and redeploy, over a real database. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ACTOR,
  createDeploymentFixture,
  insertReady,
  reportInstance,
  type DeploymentFixture,
  type InsertedDeployment,
} from "../../../test/deploymentFixture";
import { newRun, completion, type StoreUnderTest } from "../../../test/contract/runStoreFixtures";
import { createTestServices, type TestServices } from "../../../test/services";
import { createTenant } from "../../../test/tenant";
import type { EnvironmentView } from "../../environments/types";
import { mintId } from "../../utils/ids";
import { ARTIFACT_GONE } from "./redeployDeployment.server";
import { STOP_REFUSALS } from "./stopDeployment.server";
import { WAKE_REFUSALS } from "./wakeDeployment.server";

let services: TestServices;
let fixture: DeploymentFixture;
let runs: StoreUnderTest;

beforeAll(async () => {
  services = await createTestServices();
  fixture = await createDeploymentFixture(services);
  const { store, clock } = fixture;
  runs = { store, now: () => clock.now(), advance: (ms) => clock.advance(ms), mint: () => mintId(clock.now()) };
});
afterAll(async () => {
  await fixture.close();
  await services.close();
});

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

async function newEnvironment(): Promise<EnvironmentView> {
  return (await createTenant(fixture.environments)).prod;
}

async function previewEnvironment(branch: string): Promise<EnvironmentView> {
  const { projectId } = await createTenant(fixture.environments);
  const { id } = await fixture.environments.upsertBranch.call({ projectId, env: "preview", branch });
  const env = await fixture.environments.byId(id);
  if (!env) throw new Error("no branch");
  return env;
}

const ready = (env: EnvironmentView, n: number) => insertReady(services.pool, env, { version: `20261121.${n}`, at: fixture.clock.now() });
const promote = (env: EnvironmentView, deployment: InsertedDeployment, direction: "promote" | "rollback" = "promote") =>
  fixture.deployments.changeCurrent.call({ env, deployment: deployment.version, direction, allowRollbacks: false, actor: ACTOR });
const command = (env: EnvironmentView, deployment: InsertedDeployment) => ({ env, deployment: deployment.id, actor: ACTOR });

async function stateOf({ id }: InsertedDeployment): Promise<string> {
  const { rows } = await services.pool.query<{ phase: string; desired_state: string; status: string }>(
    "SELECT phase, desired_state, status FROM deployment WHERE id = $1",
    [id]
  );
  return `${rows[0]?.phase}/${rows[0]?.desired_state}/${rows[0]?.status}`;
}
const sweep = () => fixture.deployments.lifecycle.sweep(fixture.clock.now());
const collect = () => fixture.deployments.lifecycle.collectGarbage(fixture.clock.now());
const report = ({ id }: InsertedDeployment, state: string | null) => reportInstance(services.pool, id, { state, at: fixture.clock.now() });
async function changesOf({ id }: InsertedDeployment): Promise<number> {
  return (await services.pool.query("SELECT 1 FROM deployment_change WHERE deployment_id = $1", [id])).rows.length;
}
async function auditOf({ id }: InsertedDeployment): Promise<string[]> {
  const { rows } = await services.pool.query<{ line: string }>(
    "SELECT event || ' ' || actor_type || ':' || actor_id AS line FROM audit_log WHERE deployment_id = $1 ORDER BY id",
    [id]
  );
  return rows.map(({ line }) => line);
}

/** A run that was handed out on a version and is executing. */
async function executingOn(env: EnvironmentView, { workerId }: InsertedDeployment): Promise<string> {
  const run = newRun(runs, { envId: env.id });
  await fixture.store.trigger(run);
  await fixture.store.dequeue({ runId: run.id, epoch: 0, currentVersionId: workerId, relock: false });
  await fixture.store.start({ runId: run.id, seq: 2, replayKey: null, maxAttempt: 250 });
  return run.id;
}

describe("stop and wake", () => {
  test("stops what is not current; the phase follows the agents", async () => {
    const env = await newEnvironment();
    const [one, two] = [await ready(env, 1), await ready(env, 2)];
    await promote(env, two);
    await report(one, "running");
    const { stop } = fixture.deployments.lifecycle;
    expect(await stop.call(command(env, one))).toEqual({ id: one.id, version: one.version, shortCode: one.shortCode });
    expect(await stateOf(one)).toBe("ready/stopped/DEPLOYED");
    expect(await changesOf(one)).toBe(1);
    for (const state of ["running", "draining"]) {
      await report(one, state);
      await sweep();
      expect(await stateOf(one)).toBe("ready/stopped/DEPLOYED");
    }
    await report(one, null);
    await sweep();
    expect(await stateOf(one)).toBe("stopped/stopped/DEPLOYED");
    expect(await auditOf(one)).toEqual(["deployment.stop key:tests"]);
    await expect(stop.call(command(env, one))).rejects.toMatchObject({ status: 409, message: STOP_REFUSALS.stopped });
  });

  test("instances of an agent that is gone do not keep a deployment from being stopped", async () => {
    const env = await newEnvironment();
    const [one, two] = [await ready(env, 1), await ready(env, 2)];
    await promote(env, two);
    await report(one, "running");
    await fixture.deployments.lifecycle.stop.call(command(env, one));
    fixture.clock.advance(31_000);
    await sweep();
    expect(await stateOf(one)).toBe("stopped/stopped/DEPLOYED");
  });

  test("refuses the current version, unfinished ones, and versions that runs are locked to", async () => {
    const env = await newEnvironment();
    const [one, two] = [await ready(env, 1), await ready(env, 2)];
    const building = await insertReady(services.pool, env, { version: "20261121.3", phase: "building" });
    await promote(env, two);
    const runId = await executingOn(env, one);
    const { stop } = fixture.deployments.lifecycle;
    const refused = async (deployment: InsertedDeployment) => {
      const error: unknown = await stop.call(command(env, deployment)).catch((thrown: unknown) => thrown);
      return error;
    };
    expect(await refused(two)).toMatchObject({ status: 409, message: STOP_REFUSALS.current });
    expect(await refused(building)).toMatchObject({ status: 409, message: STOP_REFUSALS.notReady });
    expect(await refused(one)).toMatchObject({ status: 409, message: STOP_REFUSALS.inUse });
    await expect(stop.call({ env, deployment: "20261121.9", actor: ACTOR })).rejects.toMatchObject({ status: 404 });
    await fixture.store.finish(completion(runId, 3));
    await stop.call(command(env, one));
    expect(await stateOf(one)).toBe("ready/stopped/DEPLOYED");
  });

  test("wakes what is stopped; it is ready when its region is healthy", async () => {
    const env = await newEnvironment();
    const one = await insertReady(services.pool, env, { version: "20261121.1", phase: "stopped" });
    const { wake } = fixture.deployments.lifecycle;
    expect(await wake.call(command(env, one))).toMatchObject({ id: one.id });
    await expect(wake.call(command(env, one))).rejects.toMatchObject({ status: 409, message: WAKE_REFUSALS.running });
    await sweep();
    expect(await stateOf(one)).toBe("stopped/running/DEPLOYED");
    await report(one, "running");
    await sweep();
    expect(await stateOf(one)).toBe("ready/running/DEPLOYED");
    expect(await auditOf(one)).toEqual(["deployment.wake key:tests"]);
    const gone = await insertReady(services.pool, env, { version: "20261121.2", phase: "stopped", hasRelease: false });
    await expect(wake.call(command(env, gone))).rejects.toMatchObject({ status: 409, message: WAKE_REFUSALS.releaseGone });
  });
});

describe("a woken version whose replicas do not start", () => {
  test("is stopped again as soon as its region is lost; what failed before it was woken does not count", async () => {
    const env = await newEnvironment();
    const one = await insertReady(services.pool, env, { version: "20261121.1", phase: "stopped" });
    await report(one, "failed");
    await fixture.deployments.lifecycle.wake.call(command(env, one));
    await sweep();
    expect(await stateOf(one)).toBe("stopped/running/DEPLOYED");
    // Lines of one millisecond have no order.
    fixture.clock.advance(1);
    await report(one, "failed");
    await sweep();
    expect(await stateOf(one)).toBe("stopped/stopped/DEPLOYED");
    expect(await auditOf(one)).toEqual(["deployment.wake key:tests", "deployment.stop system:lifecycle"]);
  });
});

describe("planned and idle stops", () => {
  test("83: the previous version stops after 30 minutes, its runs go on", async () => {
    const env = await newEnvironment();
    const [one, two] = [await ready(env, 1), await ready(env, 2)];
    await promote(env, one);
    await promote(env, two);
    await executingOn(env, one);
    fixture.clock.advance(29 * MINUTE);
    await sweep();
    expect(await stateOf(one)).toBe("ready/running/DEPLOYED");
    fixture.clock.advance(2 * MINUTE);
    await report(one, "running");
    await sweep();
    expect(await stateOf(one)).toBe("ready/stopped/DEPLOYED");
    expect(await stateOf(two)).toBe("ready/running/DEPLOYED");
    expect(await auditOf(one)).toContain("deployment.stop system:lifecycle");
  });

  test("83, matrix 30: not when it was promoted again, and never while it is current", async () => {
    const env = await newEnvironment();
    const [one, two] = [await ready(env, 1), await ready(env, 2)];
    await promote(env, one);
    await promote(env, two);
    await promote(env, one, "rollback");
    // A plan that survived somehow: whoever applies it looks at the pointer, not at the plan.
    await services.pool.query("INSERT INTO scheduled_state_change VALUES ($1, 'old', 'stopped', $2)", [
      one.id,
      new Date(fixture.clock.now()),
    ]);
    fixture.clock.advance(31 * MINUTE);
    await sweep();
    expect(await stateOf(one)).toBe("ready/running/DEPLOYED");
    expect((await services.pool.query("SELECT 1 FROM scheduled_state_change WHERE deployment_id = $1", [one.id])).rows).toEqual([]);
    expect(await stateOf(two)).toBe("ready/running/DEPLOYED");
    fixture.clock.advance(DAY);
    await sweep();
    expect(await stateOf(two)).toBe("stopped/stopped/DEPLOYED");
    expect(await stateOf(one)).toBe("ready/running/DEPLOYED");
  });

  test("83: a plan that was replaced between its reading and its turn does nothing", async () => {
    const env = await newEnvironment();
    const [one, two, three] = [await ready(env, 1), await ready(env, 2), await ready(env, 3)];
    await promote(env, one);
    await promote(env, two);
    fixture.clock.advance(31 * MINUTE);
    const now = fixture.clock.now();
    const [applied] = await Promise.all([
      fixture.deployments.lifecycle.applyDueStateChanges(now),
      promote(env, three),
      fixture.deployments.lifecycle.applyDueStateChanges(now),
    ]);
    expect(applied).toBeLessThanOrEqual(1);
    const stops = (await auditOf(one)).filter((line) => line.startsWith("deployment.stop"));
    expect(stops).toHaveLength(1);
    expect(await stateOf(three)).toBe("ready/running/DEPLOYED");
  });

  test("a version that nobody promoted stops after 30 minutes without a run", async () => {
    const env = await newEnvironment();
    const [one, two] = [await ready(env, 1), await ready(env, 2)];
    await promote(env, one);
    fixture.clock.advance(20 * MINUTE);
    const runId = await executingOn(env, two);
    fixture.clock.advance(20 * MINUTE);
    await sweep();
    expect(await stateOf(two)).toBe("ready/running/DEPLOYED");
    await fixture.store.finish(completion(runId, 3));
    fixture.clock.advance(29 * MINUTE);
    await sweep();
    expect(await stateOf(two)).toBe("ready/running/DEPLOYED");
    fixture.clock.advance(2 * MINUTE);
    await report(two, "running");
    await sweep();
    expect(await stateOf(two)).toBe("ready/stopped/DEPLOYED");
    expect(await stateOf(one)).toBe("ready/running/DEPLOYED");
  });

  test("a preview's idle version has six hours; all of an archived branch stops, the current one too", async () => {
    const env = await previewEnvironment("idle");
    const [one, two] = [await ready(env, 1), await ready(env, 2)];
    await promote(env, two);
    await report(one, "running");
    fixture.clock.advance(5 * HOUR);
    await sweep();
    expect(await stateOf(one)).toBe("ready/running/DEPLOYED");
    fixture.clock.advance(HOUR + MINUTE);
    await report(one, "running");
    await report(two, "running");
    await sweep();
    expect(await stateOf(one)).toBe("ready/stopped/DEPLOYED");
    expect(await stateOf(two)).toBe("ready/running/DEPLOYED");
    await fixture.environments.updateEnvironment(env.id, { archived: true });
    await sweep();
    expect(await stateOf(two)).toBe("ready/stopped/DEPLOYED");
  });
});

async function insertArtifact(env: EnvironmentView, type: "deployment_context" | "deployment_bundle", state: string): Promise<string> {
  const folder = type === "deployment_bundle" ? "bundles" : "deployments";
  const key = `${folder}/${env.project.ref}/prod/${mintId(fixture.clock.now()).slice(-24)}.tar.gz`;
  const at = new Date(fixture.clock.now());
  await services.pool.query(
    `INSERT INTO artifact (key, type, project_id, environment_id, limit_bytes, expires_at, state, created_at)
     VALUES ($1, $2, $3, $4, 1000, $5, $6, $5)`,
    [key, type, env.project.id, env.id, at, state]
  );
  const place = path.join(fixture.dataDir, "artifacts", key);
  await mkdir(path.dirname(place), { recursive: true });
  await writeFile(place, "bytes");
  return key;
}

async function artifactState(key: string): Promise<string> {
  const { rows } = await services.pool.query<{ state: string }>("SELECT state FROM artifact WHERE key = $1", [key]);
  const file = await fixture.deployments.artifacts.files.read(key);
  file?.stream.destroy();
  return `${rows[0]?.state}/${file ? "there" : "gone"}`;
}

describe("redeploy", () => {
  test("makes a new version of the same bundle, with the artifact left to the first", async () => {
    const env = await newEnvironment();
    const bundleKey = await insertArtifact(env, "deployment_bundle", "consumed");
    const one = await insertReady(services.pool, env, { version: "20261121.1", bundleKey, artifactKey: bundleKey });
    const again = await fixture.deployments.lifecycle.redeploy.call(command(env, one));
    expect(again.version).not.toBe(one.version);
    expect(fixture.started).toContain(again.id);
    const { rows } = await services.pool.query(
      "SELECT phase, status, bundle_key, artifact_key, from_bundle, redeploy_of_id, content_hash, triggered_via FROM deployment WHERE id = $1",
      [again.id]
    );
    expect(rows).toEqual([
      {
        ...{ phase: "queued", status: "PENDING", bundle_key: bundleKey, artifact_key: null, from_bundle: true },
        ...{ redeploy_of_id: one.id, content_hash: "hash", triggered_via: "redeploy" },
      },
    ]);
    const audit = await services.pool.query("SELECT event FROM audit_log WHERE deployment_id = $1", [again.id]);
    expect(audit.rows).toEqual([{ event: "deployment.redeploy" }]);
  });

  test("refuses when the bundle was removed or never made", async () => {
    const env = await newEnvironment();
    const deleted = await insertArtifact(env, "deployment_bundle", "deleted");
    const one = await insertReady(services.pool, env, { version: "20261121.1", bundleKey: deleted });
    const two = await insertReady(services.pool, env, { version: "20261121.2" });
    for (const deployment of [one, two]) {
      const attempt = fixture.deployments.lifecycle.redeploy.call(command(env, deployment));
      await expect(attempt).rejects.toMatchObject({ status: 409, message: ARTIFACT_GONE });
    }
    const unknown = fixture.deployments.lifecycle.redeploy.call({ env, deployment: "20261121.9", actor: ACTOR });
    await expect(unknown).rejects.toMatchObject({ status: 404 });
  });
});

describe("garbage", () => {
  test("matrix 1: uploads go a day after they were of use, bundles a week after", async () => {
    const env = await newEnvironment();
    const [unused, pending] = [
      await insertArtifact(env, "deployment_bundle", "uploaded"),
      await insertArtifact(env, "deployment_context", "pending"),
    ];
    const [source, bundle, busy] = [
      await insertArtifact(env, "deployment_context", "consumed"),
      await insertArtifact(env, "deployment_bundle", "consumed"),
      await insertArtifact(env, "deployment_context", "consumed"),
    ];
    await insertReady(services.pool, env, { version: "20261121.1", artifactKey: source, bundleKey: bundle, at: fixture.clock.now() });
    await insertReady(services.pool, env, { version: "20261121.2", artifactKey: busy, phase: "building", at: fixture.clock.now() });
    const states = () => Promise.all([unused, pending, source, bundle, busy].map(artifactState));
    fixture.clock.advance(23 * HOUR);
    await collect();
    expect(await states()).toEqual(["uploaded/there", "pending/there", ...Array<string>(3).fill("consumed/there")]);
    fixture.clock.advance(2 * HOUR);
    await collect();
    expect(await states()).toEqual(["deleted/gone", "deleted/gone", "deleted/gone", "consumed/there", "consumed/there"]);
    fixture.clock.advance(7 * DAY);
    await collect();
    expect(await states()).toEqual(["deleted/gone", "deleted/gone", "deleted/gone", "deleted/gone", "consumed/there"]);
  });

  test("99: releases are kept while current, among the last ten, younger than 30 days, running or locked by a run", async () => {
    const env = await newEnvironment();
    const made: InsertedDeployment[] = [];
    for (let n = 1; n <= 16; n++) {
      const phase = n === 4 ? "ready" : n === 5 ? "failed" : "stopped";
      made.push(await insertReady(services.pool, env, { version: `20261121.${n}`, phase, at: fixture.clock.now() + n }));
    }
    const digests = made.flatMap(({ digest }) => digest ?? []);
    const { releases } = fixture.deployments;
    for (const { id, digest } of made) {
      await releases.keep({ digest: digest ?? "", platform: "linux", nodeAbi: "127" }, Readable.from([Buffer.from(id)]));
    }
    const [current, previous, locked, running, failed, shared] = made;
    if (!current || !previous || !locked || !running || !failed || !shared) throw new Error("no deployments");
    await services.pool.query(
      `INSERT INTO deployment_promotion (environment_id, deployment_id, previous_deployment_id, generation, promoted_at) VALUES ($1, $2, $3, 1, now())`,
      [env.id, current.id, previous.id]
    );
    const runId = await executingOn(env, locked);
    // The same bytes serve a version of another environment that is new.
    const elsewhere = await newEnvironment();
    const user = await insertReady(services.pool, elsewhere, { version: "20261121.1", hasRelease: false });
    await services.pool.query("UPDATE deployment SET release_digest = $2 WHERE id = $1", [user.id, shared.digest]);

    const there = async () => {
      const sizes = await Promise.allSettled(digests.map((digest) => releases.size(digest)));
      return digests.filter((_, at) => sizes[at]?.status === "fulfilled");
    };
    const collected = async () => {
      const before = await there();
      await collect();
      const after = await there();
      return before.filter((digest) => !after.includes(digest));
    };
    fixture.clock.advance(29 * DAY);
    expect(await collected()).toEqual([]);
    fixture.clock.advance(2 * DAY);
    expect(await collected()).toEqual([failed.digest]);
    await fixture.store.finish(completion(runId, 3));
    expect(await collected()).toEqual([locked.digest]);
    await services.pool.query("UPDATE deployment SET phase = 'stopped', desired_state = 'stopped' WHERE id = $1", [running.id]);
    expect(await collected()).toEqual([running.digest]);
    expect(await collected()).toEqual([]);
    const { rows } = await services.pool.query("SELECT release_digest FROM deployment WHERE id = $1", [locked.id]);
    expect(rows).toEqual([{ release_digest: null }]);
    expect((await services.pool.query("SELECT 1 FROM release WHERE digest = $1", [locked.digest])).rows).toEqual([]);
  });
});
