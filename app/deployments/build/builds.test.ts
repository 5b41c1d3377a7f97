/** Build jobs on the server: claims, leases, tokens, ends. Agents are plain calls here; the workflow writes down what it was told. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { archiveOf, createBuildFixture, type BuildFixture } from "../../../test/deployments/buildFixture";
import { BUILD_PATHS, type BuildAssignment, type BuildOutcome, type HeartbeatAnswer } from "../../../agent/build/protocol";
import { rangeOf } from "../../api/dispatch/byteRange";
import { createBuildOutput } from "../releases/discardRelease.server";

let f: BuildFixture;
let one: Record<string, string>;
let two: Record<string, string>;
beforeAll(async () => {
  f = await createBuildFixture();
  one = await f.connect("one");
  two = await f.connect("two");
});
afterAll(() => f.close());
beforeEach(async () => {
  await f.sql("UPDATE build_job SET state = 'abandoned' WHERE state IN ('waiting', 'claimed')");
});

type Answer<T> = { status: number; body: T; headers: Headers };
async function post<T = { error?: string; code?: string }>(
  where: string,
  headers: Record<string, string>,
  body: unknown
): Promise<Answer<T>> {
  const answer = await fetch(f.url + where, { method: "POST", headers, body: JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: (text === "" ? {} : JSON.parse(text)) as T };
}
const claim = async (headers = one, waitMs = 0): Promise<BuildAssignment | null> =>
  (await post<{ build: BuildAssignment | null }>(BUILD_PATHS.claim, headers, { waitMs })).body.build;
const deployed = async (over: Record<string, unknown> = {}) => f.deploy(await archiveOf({ a: "b" }), over);
const claimed = async (over: Record<string, unknown> = {}) => {
  const id = await deployed(over);
  const build = await claim();
  if (!build) throw new Error("nothing to claim");
  expect(build.deploymentId).toBe(id);
  return build;
};
const job = (build: BuildAssignment) => ({ deploymentId: build.deploymentId, attempt: build.attempt });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const release = Buffer.from("a packed release");
const digest = `sha256:${createHash("sha256").update(release).digest("hex")}`;
const upload = (token: string, bytes: Buffer = release, name = digest) =>
  fetch(`${f.url}/engine/v1/worker-actions/releases/${name}`, {
    method: "PUT",
    headers: { ...bearer(token), "x-sluice-release-platform": "linux-x64", "x-sluice-release-node-abi": "115" },
    body: new Uint8Array(bytes),
  });
const GOOD: BuildOutcome = { ok: true, digest, bytes: release.length, milliseconds: {} };
const fail = (kind: "user" | "machine" | "no_space" | "network" | "cancelled"): BuildOutcome => ({
  ok: false,
  kind,
  code: "x",
  message: "why",
});

describe("claims", () => {
  it("hands out the oldest build with all that a builder needs, once", async () => {
    const first = await deployed({ buildEnvVars: { TOKEN: "of the build" } });
    const second = await deployed();
    const build = await claim();
    expect(build).toMatchObject({
      deploymentId: first,
      attempt: 1,
      kind: "bundle",
      projectRef: f.prod.project.ref,
      environmentSlug: "prod",
    });
    expect(build).toMatchObject({ buildEnvVars: { TOKEN: "of the build" }, friendlyId: `deployment_${first}`, contentHash: "abc" });
    expect(build?.token).toMatch(/^tr_prod_bld_[0-9A-Za-z]{40}$/);
    expect((await claim(two))?.deploymentId).toBe(second);
    expect(await claim()).toBeNull();
    expect(await f.lines(first)).toContain("Building on agent one.");
  });

  it("gives every build to one of many that ask at once", async () => {
    const ids = [await deployed(), await deployed(), await deployed()];
    const builds = await Promise.all(Array.from({ length: 8 }, (_, at) => claim(at % 2 ? one : two)));
    expect(builds.flatMap((build) => build?.deploymentId ?? []).sort()).toEqual([...ids].sort());
  });

  it("holds the call until there is a build", async () => {
    const held = claim(one, 20_000);
    const id = await deployed();
    expect((await held)?.deploymentId).toBe(id);
  });

  it("hands out nothing of a deployment that was cancelled or has ended", async () => {
    const cancelled = await deployed();
    await f.sql("UPDATE deployment SET cancel_requested_at = now() WHERE id = $1", [cancelled]);
    const failed = await deployed();
    await f.api.toPhase(failed, "failed");
    expect(await claim()).toBeNull();
  });

  it("matrix 8, 11: of an agent that starts anew are over at once, those of others are not", async () => {
    const lost = await claimed();
    const kept = await deployed();
    expect((await claim(two))?.deploymentId).toBe(kept);
    const isOver = async (id: string) =>
      (await f.sql<{ over: boolean }>("SELECT lease_until < now() AS over FROM build_job WHERE deployment_id = $1", [id]))[0]?.over;
    expect([await isOver(lost.deploymentId), await isOver(kept)]).toEqual([false, false]);
    await f.connect("one");
    expect([await isOver(lost.deploymentId), await isOver(kept)]).toEqual([true, false]);
    expect(f.api.workflow.signals.at(-1)).toEqual({ id: lost.deploymentId, topic: "build" });
  });

  it("refuses whoever is no agent", async () => {
    expect((await post(BUILD_PATHS.claim, bearer(f.prod.secretKey), { waitMs: 0 })).status).toBe(401);
    expect((await post(BUILD_PATHS.claim, { ...one, authorization: "Bearer tr_wgt_unknownunknownunknown" }, { waitMs: 0 })).status).toBe(
      401
    );
    expect((await post(BUILD_PATHS.claim, one, { waitMs: 20_001 })).status).toBe(400);
  });
});

describe("reports", () => {
  it("renews the lease and the slot, and tells of a cancel, of the worker and of the bundle", async () => {
    const build = await claimed();
    await f.sql(
      "INSERT INTO build_slot (deployment_id, organization_id, state, priority, enqueued_at, lease_until) VALUES ($1, $2, 'active', 0, now(), now())",
      [build.deploymentId, f.prod.organization.id]
    );
    await f.sql("UPDATE build_job SET lease_until = now() WHERE deployment_id = $1", [build.deploymentId]);
    const beat = () => post<HeartbeatAnswer>(BUILD_PATHS.heartbeat, one, job(build)).then(({ body }) => body);
    expect(await beat()).toEqual({ cancel: false, reason: null, failed: false, registered: false, bundled: true });
    const [lease] = await f.sql<{ job: number; slot: number }>(
      `SELECT extract(epoch FROM j.lease_until - now())::float8 AS job, extract(epoch FROM s.lease_until - now())::float8 AS slot
       FROM build_job j JOIN build_slot s USING (deployment_id) WHERE deployment_id = $1`,
      [build.deploymentId]
    );
    expect(lease?.job).toBeGreaterThan(25);
    expect(lease?.slot).toBeGreaterThan(590);
    await f.sql("UPDATE deployment SET cancel_requested_at = now(), cancel_reason = 'Cancelled by user' WHERE id = $1", [
      build.deploymentId,
    ]);
    expect(await beat()).toMatchObject({ cancel: true, reason: "Cancelled by user" });
  });

  it("matrix 11: takes nothing from an agent that does not have the build, nor for an older attempt", async () => {
    const build = await claimed();
    const log = { ...job(build), lines: [{ level: "info", body: "hello" }] };
    expect((await post(BUILD_PATHS.log, two, log)).status).toBe(409);
    expect((await post(BUILD_PATHS.done, two, { ...job(build), outcome: GOOD })).headers.get("x-should-retry")).toBe("false");
    expect((await fetch(f.url + BUILD_PATHS.artifact(job(build), "bundle"), { headers: two })).status).toBe(409);
    expect((await post<HeartbeatAnswer>(BUILD_PATHS.heartbeat, two, job(build))).body).toMatchObject({ cancel: true });
    expect((await post(BUILD_PATHS.log, one, log)).status).toBe(204);
    await f.openJob(build.deploymentId, 2, "bundle");
    expect((await post(BUILD_PATHS.log, one, log)).status).toBe(409);
    expect((await post(BUILD_PATHS.done, one, { ...job(build), outcome: fail("user") })).status).toBe(409);
    expect((await post<HeartbeatAnswer>(BUILD_PATHS.heartbeat, one, job(build))).body).toMatchObject({
      cancel: true,
      reason: "The build was given to another builder.",
    });
    expect(await f.job(build.deploymentId)).toMatchObject({ attempt: 2, state: "waiting" });
  });

  it("keeps lines in order", async () => {
    const build = await claimed();
    const lines = Array.from({ length: 500 }, (_, at) => ({ level: "info", body: `line ${at}\u0000` }));
    expect((await post(BUILD_PATHS.log, one, { ...job(build), lines })).status).toBe(204);
    expect((await f.lines(build.deploymentId)).slice(-500)).toEqual(lines.map((_, at) => `line ${at}`));
    expect((await post(BUILD_PATHS.log, one, { ...job(build), lines: [...lines, ...lines] })).status).toBe(400);
  });

  it.each([
    ["user", "failed"],
    ["network", "failed"],
    ["no_space", "failed"],
    ["machine", "abandoned"],
    ["cancelled", "abandoned"],
  ] as const)("ends a build that failed by %s as %s, and tells the workflow", async (kind, state) => {
    const build = await claimed();
    expect((await post(BUILD_PATHS.done, one, { ...job(build), outcome: fail(kind) })).status).toBe(204);
    expect(await f.job(build.deploymentId)).toMatchObject({ state, outcome: { message: "why", kind } });
    expect(f.api.workflow.signals).toContainEqual({ id: build.deploymentId, topic: "build" });
    expect((await post(BUILD_PATHS.done, one, { ...job(build), outcome: fail(kind) })).status).toBe(409);
  });

  it("ends a good build only when its release is stored", async () => {
    const build = await claimed();
    expect((await post(BUILD_PATHS.done, one, { ...job(build), outcome: { ...GOOD, digest: `sha256:${"0".repeat(64)}` } })).body.code).toBe(
      "release_missing"
    );
    expect((await upload(build.token)).status).toBe(200);
    expect((await post(BUILD_PATHS.done, one, { ...job(build), outcome: GOOD })).status).toBe(204);
    expect(await f.deployment(build.deploymentId)).toMatchObject({ release_digest: digest, image_reference: `release://${digest}` });
    expect(await f.job(build.deploymentId)).toMatchObject({ state: "succeeded" });
  });
});

describe("tokens of builds", () => {
  it("act for their deployment only, and only where builds do", async () => {
    const build = await claimed();
    const other = await deployed();
    const token = bearer(build.token);
    const get = async (where: string) => (await fetch(f.url + where, { headers: token })).status;
    const ref = f.prod.project.ref;
    expect(await get(`/api/v1/projects/${ref}/envvars`)).toBe(200);
    expect(await get(`/api/v1/deployments/${build.friendlyId}/build-env-vars`)).toBe(200);
    expect(await get(`/api/v1/deployments/deployment_${other}/build-env-vars`)).toBe(403);
    expect((await post(`/api/v1/deployments/deployment_${other}/fail`, token, { error: { name: "E", message: "m" } })).status).toBe(403);
    expect((await post("/api/v1/artifacts", token, { type: "deployment_bundle" })).status).toBe(201);
    const create = { contentHash: "x", type: "MANAGED", isNativeBuild: true, fromBundle: true, artifactKey: "bundles/x" };
    expect((await post("/api/v1/deployments", token, create)).status).toBe(403);
    const attach = { ...create, gitMeta: { commitSha: `deployment_${other}` } };
    expect((await post("/api/v1/deployments", token, attach)).status).toBe(403);
    for (const where of ["/api/v1/runs", "/api/v1/deployments", "/api/v2/whoami", "/api/v1/projects", `/api/v1/projects/${ref}/dev`]) {
      expect([where, await get(where)]).toEqual([where, expect.toSatisfy((status: number) => status >= 401 && status <= 404)]);
    }
    expect((await post("/api/v1/tasks/hello/trigger", token, { payload: "1" })).status).toBe(401);
  });

  it("are answered themselves where the CLI asks for the key, which no build learns", async () => {
    const build = await claimed();
    const address = `${f.url}/api/v1/projects/${f.prod.project.ref}/prod`;
    const answer = await fetch(address, { headers: bearer(build.token) });
    expect(await answer.json()).toMatchObject({ apiKey: build.token, apiUrl: f.url, projectId: f.prod.project.id });
    const asKey = await fetch(address, { headers: bearer(f.prod.secretKey) });
    expect(await asKey.json()).toMatchObject({ apiKey: f.prod.secretKey });
    expect((await fetch(address.replace(/prod$/, "staging"), { headers: bearer(build.token) })).status).toBe(403);
    expect((await fetch(address, { headers: bearer("tr_pat_unknownunknownunknown") })).status).toBe(401);
  });

  it("end with their attempt and with their deployment", async () => {
    const build = await claimed();
    const works = async () =>
      (await fetch(`${f.url}/api/v1/projects/${f.prod.project.ref}/envvars`, { headers: bearer(build.token) })).status;
    expect(await works()).toBe(200);
    await f.openJob(build.deploymentId, 2, "bundle");
    expect(await works()).toBe(401);
    expect((await upload(build.token)).status).toBe(401);
    await f.sql("DELETE FROM build_job WHERE deployment_id = $1 AND attempt = 2", [build.deploymentId]);
    expect(await works()).toBe(200);
    await f.api.toPhase(build.deploymentId, "cancelled");
    expect(await works()).toBe(401);
  });
});

describe("releases over HTTP", () => {
  it("refuses other bytes than the digest names, and whoever is no build", async () => {
    const build = await claimed();
    const name = `sha256:${"1".repeat(64)}`;
    expect((await upload(build.token, release, name)).status).toBe(400);
    expect((await upload(build.token, release, "sha256:x")).status).toBe(400);
    expect((await upload(f.prod.secretKey)).status).toBe(401);
    expect((await fetch(`${f.url}/engine/v1/worker-actions/releases/${name}`, { headers: one })).status).toBe(404);
    expect(await f.sql("SELECT 1 FROM release WHERE digest = $1", [name])).toEqual([]);
  });

  it("sends the whole, parts of it, and its size", async () => {
    const build = await claimed();
    await upload(build.token);
    const get = (headers: Record<string, string>, method = "GET") =>
      fetch(`${f.url}/engine/v1/worker-actions/releases/${digest}`, { method, headers: { ...one, ...headers } });
    expect(await (await get({})).text()).toBe(release.toString());
    expect(await (await get({ range: "bytes=2-7" })).text()).toBe("packed");
    expect((await get({ range: `bytes=${release.length}-` })).status).toBe(416);
    expect((await get({}, "HEAD")).headers.get("content-length")).toBe(String(release.length));
    expect((await fetch(`${f.url}/engine/v1/worker-actions/releases/${digest}`)).status).toBe(401);
  });

  it("removes a release with the deployment that failed, unless another has the same", async () => {
    const output = createBuildOutput({ pool: f.api.services.pool, releases: f.app.deployments.releases });
    const content = Buffer.from("a release of two deployments");
    const name = `sha256:${createHash("sha256").update(content).digest("hex")}`;
    await f.app.deployments.releases.keep({ digest: name, platform: "linux-x64", nodeAbi: "115" }, Readable.from([content]));
    const [a, b] = [await deployed(), await deployed()];
    await f.sql("UPDATE deployment SET release_digest = $1 WHERE id = ANY($2::text[])", [name, [a, b]]);
    await f.api.toPhase(a, "failed");
    await output.discard(a);
    expect(await f.deployment(a)).toMatchObject({ release_digest: null, image_reference: null });
    expect(await f.app.deployments.releases.find(name)).not.toBeNull();
    await f.api.toPhase(b, "ready");
    await output.discard(b);
    expect(await f.deployment(b)).toMatchObject({ release_digest: name });
    await f.api.toPhase(b, "failed");
    await output.discard(b);
    await output.discard(b);
    expect(await f.app.deployments.releases.find(name)).toBeNull();
    expect(await f.sql("SELECT 1 FROM release WHERE digest = $1", [name])).toEqual([]);
  });

  it.each([
    [null, null],
    ["bytes=0-", { start: 0, end: 99 }],
    ["bytes=10-19", { start: 10, end: 19 }],
    ["bytes=90-200", { start: 90, end: 99 }],
    ["bytes=-10", { start: 90, end: 99 }],
    ["bytes=-200", { start: 0, end: 99 }],
    ["bytes=100-", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    ["bytes=9-3", null],
    ["bytes=1-2,4-5", null],
    ["bytes=-", null],
    ["items=0-1", null],
  ])("reads the range %j", (header, expected) => {
    expect(rangeOf(header, 100)).toEqual(expected);
  });
});
