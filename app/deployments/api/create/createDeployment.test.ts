/** `POST /api/v1/deployments`: create, races, external ids, attach, and the hold. Numbers are those of the design's test list. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as deployments from "../../../routes/api.v1.deployments._index";
import { callRoute } from "../../../../test/testApp";
import { createApiFixture, until, type ApiFixture } from "../../../../test/deployments/apiFixture";

const row = async (f: ApiFixture, id: string) => (await f.app.deployments.api.reads.find(f.prod, id)) ?? null;

describe("create, with hold off", () => {
  let f: ApiFixture;
  beforeAll(async () => {
    f = await createApiFixture();
    await f.holdOff();
  });
  afterAll(() => f.close());

  it("22, 24, 46: creates a queued deployment, starts its workflow, and answers what the CLI reads, without an event stream", async () => {
    const created = await f.create({ skipPromotion: true, triggeredVia: "cli:manual", gitMeta: { commitSha: "0a1b", dirty: true } });
    expect(created).toMatchObject({ contentHash: "abc", outcome: "created", imagePlatform: "linux/amd64" });
    expect(created).not.toHaveProperty("eventStream");
    expect(created.version).toMatch(/^\d{8}\.\d+$/);
    expect(created.shortCode).toMatch(/^[0-9a-z]{8}$/);
    expect(created.imageTag).toBe(`release/${f.prod.project.ref}:${created.version}.prod.${created.shortCode}`);
    expect(created.externalBuildData).toEqual({ projectId: "-", buildToken: "-", buildId: "-" });
    expect(f.workflow.started).toContain(created.bare);
    expect(await row(f, created.id)).toMatchObject({ phase: "queued", status: "PENDING", skipPromotion: true, commitSha: "0a1b" });
    expect(await f.app.deployments.api.reads.steps(created.bare)).toMatchObject([{ step: "queued", endedAt: null }]);
    expect(await f.audit(created.bare)).toMatchObject([{ event: "deployment.create", actor_type: "key" }]);
  });

  it("26: gives each environment versions of its own", async () => {
    const key = f.staging.secretKey;
    await f.app.deployments.settings.update(f.staging, { holdResponse: false }, ACTOR);
    const answer = await f.post({ artifactKey: await f.uploaded("deployment_bundle", key) }, { key });
    expect(answer.body.version).toMatch(/\.1$/);
    expect(answer.body.imageTag).toContain(".staging.");
  });

  it.each([
    ["30, 31: --local-build", { isNativeBuild: false }, "This server builds without Docker. Update the CLI to 4.6.0 or newer"],
    ["UNMANAGED", { type: "UNMANAGED" }, "UNMANAGED deployments are not supported"],
    ["an artifact that nobody uploaded", { artifactKey: "bundles/x/prod/a.tar.gz" }, "Deployment artifact not found or not uploaded"],
    ["no artifact", { artifactKey: undefined }, "Deployment artifact not found or not uploaded"],
  ])("refuses %s with 400, and leaves no row", async (_what, body, text) => {
    const count = () => f.sql<{ n: number }>("SELECT count(*) AS n FROM deployment");
    const before = await count();
    const answer = await f.post(body);
    expect(answer.status).toBe(400);
    expect(answer.body.error).toContain(text);
    expect(answer.headers.get("x-should-retry")).toBe("false");
    expect(await count()).toEqual(before);
  });

  it("refuses the dev environment, another environment's artifact, a pending one, and sources sent as a bundle", async () => {
    const dev = await f.test.environment("dev");
    expect((await f.post({}, { key: dev.secretKey })).body.error).toContain("dev environment");
    const foreign = await f.uploaded("deployment_bundle", f.staging.secretKey);
    const sources = await f.uploaded("deployment_context");
    const { artifactKey: pending } = await f.artifact();
    for (const artifactKey of [foreign, sources, pending]) {
      expect((await f.post({ artifactKey })).body.error).toBe("Deployment artifact not found or not uploaded");
    }
    expect((await f.post({ artifactKey: sources, fromBundle: false, contentHash: "-" })).status).toBe(200);
  });

  it("names what is wrong with a body, and refuses other methods and tokens", async () => {
    const bad = await f.post({ contentHash: 1, force: true });
    expect(bad).toMatchObject({ status: 400, body: { error: "Invalid body" } });
    expect(JSON.stringify(bad.body.issues)).toContain("contentHash");
    expect((await f.post({ externalId: "x".repeat(129) })).status).toBe(400);
    expect((await callRoute(deployments, { method: "PUT", body: {} })).status).toBe(405);
    expect((await callRoute(deployments, { method: "POST", body: {} })).status).toBe(401);
    const reader = f.app.auth.signPublicToken(f.prod, { scopes: ["read:deployments"] });
    expect((await f.post({ artifactKey: "x" }, { key: reader })).status).toBe(403);
  });

  it("matrix 2, 3: the same request again, and twice at once, is one deployment", async () => {
    const artifactKey = await f.uploaded();
    const answers = await Promise.all(Array.from({ length: 8 }, () => f.post({ artifactKey }, { requestKey: "key-1" })));
    const again = await f.post({ artifactKey }, { requestKey: "key-1" });
    const ids = new Set([...answers, again].map(({ body }) => body.id));
    expect([...answers, again].map(({ status }) => status)).toEqual(Array(9).fill(200));
    expect(ids.size).toBe(1);
    const byArtifact = await f.post({ artifactKey }, { requestKey: "key-2" });
    expect(ids.has(byArtifact.body.id)).toBe(true);
    expect(f.workflow.started.filter((id) => byArtifact.body.id.endsWith(id))).toHaveLength(1);
  });

  it("matrix 4: deploys of the same moment get versions one after the other", async () => {
    const keys = await Promise.all(Array.from({ length: 10 }, () => f.uploaded()));
    const answers = await Promise.all(keys.map((artifactKey) => f.post({ artifactKey })));
    const numbers = answers.map(({ body }) => Number(body.version.split(".")[1])).toSorted((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: 10 }, (_, at) => (numbers[0] ?? 0) + at));
  });

  it("5, matrix 37: a clock that goes back a day keeps the date and counts on", async () => {
    const before = await f.create();
    f.clock.advance(-86_400_000);
    const after = await f.create();
    f.clock.advance(86_400_000);
    const [date, number] = before.version.split(".");
    expect(after.version).toBe(`${date}.${Number(number) + 1}`);
    expect(await row(f, after.id)).toMatchObject({ phase: "queued", version: after.version });
  });

  it("35, 36, 37: external ids: in progress, forced, and deployed already", async () => {
    const first = await f.create({ externalId: " sha-1 " });
    const second = await f.post({ artifactKey: await f.uploaded(), externalId: "sha-1" });
    expect(second.status).toBe(409);
    expect(second.headers.get("x-should-retry")).toBe("false");
    expect(second.body.error).toBe(
      `A deployment for external id "sha-1" is already in progress (version ${first.version}). ` +
        "Wait for it to finish, or deploy again with --force to cancel it and start a new one."
    );
    const artifactKey = await f.uploaded();
    const forced = await f.create({ artifactKey, externalId: "sha-1", force: true });
    const repeated = await f.post({ artifactKey, externalId: "sha-1", force: true });
    for (const { canceledDeployments } of [forced, repeated.body]) {
      expect(canceledDeployments).toEqual([{ version: first.version, shortCode: first.shortCode }]);
    }
    const reason = 'Superseded by a new deploy with --force for external id "sha-1"';
    expect(await row(f, first.id)).toMatchObject({ status: "CANCELED", canceledReason: reason });
    expect(f.workflow.signals).toContainEqual({ id: first.bare, topic: "cancel" });
    await f.toPhase(forced.bare, "ready");
    const existing = await f.post({ externalId: "sha-1", artifactKey: await f.uploaded() });
    expect(existing.body).toMatchObject({ id: forced.id, outcome: "existing", isPromoted: false, externalId: "sha-1" });
    await f.promote(forced.bare);
    expect((await f.post({ externalId: "sha-1", artifactKey: await f.uploaded() })).body.isPromoted).toBe(true);
    expect((await f.create({ externalId: "sha-1", force: true })).id).not.toBe(forced.id);
  });

  it("lets one of several deploys under one external id through", async () => {
    const keys = await Promise.all(Array.from({ length: 6 }, () => f.uploaded()));
    const answers = await Promise.all(keys.map((artifactKey) => f.post({ artifactKey, externalId: "sha-2" })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(5);
  });

  it("supersedes older queued deployments when the setting says so, never for someone who waits at a terminal", async () => {
    await f.app.deployments.settings.update(f.prod, { supersedeQueued: true }, ACTOR);
    const older = await f.create({ triggeredVia: "cli:github_actions" });
    const building = await f.create({ triggeredVia: "cli:manual" });
    await f.toPhase(building.bare, "building");
    expect((await row(f, older.id))?.phase).toBe("queued");
    const newer = await f.create({ triggeredVia: "cli:github_actions" });
    const reason = `Superseded by newer deployment ${newer.version}`;
    expect(await row(f, older.id)).toMatchObject({ phase: "superseded", canceledReason: reason, supersededById: newer.bare });
    expect((await row(f, building.id))?.phase).toBe("building");
    await f.app.deployments.settings.update(f.prod, { supersedeQueued: false }, ACTOR);
  });

  it("attaches a bundle to a deployment that is being built, once and again", async () => {
    const sources = await f.uploaded("deployment_context");
    const source = await f.post({ artifactKey: sources, fromBundle: false, contentHash: "-" });
    const id = source.body.id;
    const bundle = await f.uploaded();
    const attach = (over: object = {}) => f.post({ artifactKey: bundle, contentHash: "h1", gitMeta: { commitSha: id }, ...over });
    for (const answer of [await attach(), await attach()]) expect(answer.body).toMatchObject({ id, version: source.body.version });
    expect(await row(f, id)).toMatchObject({ bundleKey: bundle, artifactKey: sources, contentHash: "h1", phase: "queued" });
    const bare = id.replace("deployment_", "");
    expect(f.workflow.signals.filter((signal) => signal.id === bare)).toEqual([{ id: bare, topic: "bundle" }]);
    const unknown = await attach({ gitMeta: { commitSha: f.unknownId() } });
    expect(unknown).toMatchObject({ status: 400, body: { error: "Existing deployment not found during deployment initialization" } });
    await f.toPhase(bare, "failed");
    expect((await attach()).status).toBe(400);
  });
});

describe("hold", () => {
  let f: ApiFixture;
  beforeAll(async () => {
    f = await createApiFixture({ holdSegmentMs: 600 });
  });
  afterAll(() => f.close());

  const begin = async (requestKey: string) => {
    const artifactKey = await f.uploaded();
    const seen = f.workflow.started.length;
    const answer = f.post({ artifactKey }, { requestKey });
    await until(() => f.workflow.started.length > seen);
    const id = f.workflow.started.at(-1) ?? "";
    // Started inside the transaction: the row is there when its answer is being held.
    await until(async () => (await f.sql("SELECT 1 FROM deployment WHERE id = $1 AND hold_requests > 0", [id])).length > 0);
    return { answer, artifactKey, id };
  };

  it("33: 503 says to ask again with the same key; the next request waits on for the same row", async () => {
    const { answer, artifactKey, id } = await begin("hold-1");
    const first = await answer;
    expect(first).toMatchObject({ status: 503, body: { error: "Deployment still in progress" } });
    expect(first.headers.get("x-should-retry")).toBe("true");
    const second = f.post({ artifactKey }, { requestKey: "hold-1" });
    await until(async () => (await row(f, id))?.holdRequests === 2);
    await f.toPhase(id, "ready");
    expect(await second).toMatchObject({ status: 200, body: { id: `deployment_${id}`, outcome: "created" } });
  });

  it("answers 200 at the fifth request, after which the CLI does not ask again", async () => {
    const { answer, artifactKey } = await begin("hold-2");
    const statuses = [(await answer).status];
    while (statuses.length < 5) statuses.push((await f.post({ artifactKey }, { requestKey: "hold-2" })).status);
    expect(statuses).toEqual([503, 503, 503, 503, 200]);
  });

  it("32: a failure is 422 with the step, the reason and the link, and is not retried", async () => {
    const { answer, id } = await begin("hold-3");
    await f.toPhase(id, "building");
    await f.openStep(id, "building");
    const deployment = await f.app.deployments.api.reads.find(f.prod, id);
    const error = { name: "Error", message: "npm ci ended with 1", stderr: "E404" };
    await f.app.deployments.api.fail.call({ env: f.prod, deployment, error, code: "build", actor: ACTOR });
    const { status, headers, body } = await answer;
    expect(status).toBe(422);
    expect(headers.get("x-should-retry")).toBe("false");
    const link = `http://sluice.test/projects/v3/${f.prod.project.ref}/deployments/${deployment.shortCode}`;
    expect(body.error).toBe(`Version ${deployment.version} failed while building: npm ci ended with 1 — ${link}`);
  });

  it("a cancel is 422 with its reason", async () => {
    const { answer, id } = await begin("hold-4");
    await f.app.deployments.api.cancel.call({ env: f.prod, deploymentId: id, reason: "changed my mind", actor: ACTOR });
    expect((await answer).body.error).toContain("was cancelled while queued: changed my mind — http");
  });

  it("34: a client that hangs up ends its own answer and nothing else", async () => {
    const controller = new AbortController();
    const { id } = await begin("hold-5");
    const waiting = f.app.deployments.api.hold.call(id, controller.signal);
    controller.abort();
    expect(await waiting).toEqual({ kind: "retry" });
    expect((await row(f, id))?.phase).toBe("queued");
  });

  it("answers everyone at once when the server drains", async () => {
    const own = await createApiFixture({ holdSegmentMs: 240_000 });
    const seen = own.workflow.started.length;
    const answer = own.post({ artifactKey: await own.uploaded() });
    await until(() => own.workflow.started.length > seen);
    await until(async () => (await own.sql("SELECT 1 FROM deployment WHERE hold_requests > 0")).length > 0);
    own.app.deployments.drain();
    expect((await answer).status).toBe(503);
    await own.close();
  });
});

const ACTOR = { type: "system", id: "test", name: null, ip: null, userAgent: null, correlationId: null } as const;
