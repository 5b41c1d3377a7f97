/** Routes below a deployment, the list, settings and branches. Numbers are those of the design's test list. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as one from "../../routes/api.v1.deployments.$deploymentId._index";
import * as workers from "../../routes/api.v1.deployments.$deploymentId.background-workers";
import * as buildVariables from "../../routes/api.v1.deployments.$deploymentId.build-env-vars";
import * as cancel from "../../routes/api.v1.deployments.$deploymentId.cancel";
import * as events from "../../routes/api.v1.deployments.$deploymentId.events";
import * as fail from "../../routes/api.v1.deployments.$deploymentId.fail";
import * as progress from "../../routes/api.v1.deployments.$deploymentId.progress";
import * as steps from "../../routes/api.v1.deployments.$deploymentId.steps";
import * as list from "../../routes/api.v1.deployments._index";
import * as current from "../../routes/api.v1.deployments.current";
import * as latest from "../../routes/api.v1.deployments.latest";
import * as settings from "../../routes/api.v1.projects.$projectRef.$env.deploy-settings";
import * as branches from "../../routes/api.v1.projects.$projectRef.branches";
import * as archive from "../../routes/api.v1.projects.$projectRef.branches.archive";
import * as finalize from "../../routes/api.v3.deployments.$deploymentId.finalize";
import { workerBody } from "../../../test/engineFixture";
import { callRoute, type ApiCall } from "../../../test/testApp";
import { createApiFixture, until, type ApiFixture } from "../../../test/deployments/apiFixture";

type Answer = { error?: string; id?: string; [field: string]: unknown };

let f: ApiFixture;
beforeAll(async () => {
  f = await createApiFixture();
  await f.holdOff();
});
afterAll(() => f.close());

const call = (route: object, id: string, over: ApiCall = {}) =>
  callRoute<Answer>(route, { token: f.token, params: { deploymentId: id }, ...over });
const post = (route: object, id: string, body: unknown = {}) => call(route, id, { method: "POST", body });
const find = (id: string) => f.app.deployments.api.reads.find(f.prod, id);
const building = async () => {
  const created = await f.create();
  await f.toPhase(created.bare, "building");
  await f.openStep(created.bare, "building");
  return created;
};
const manifest = (hash: string, tasks: Parameters<typeof workerBody>[0] = [{ id: "a" }]) => workerBody(tasks, hash);

describe("reads", () => {
  it("48: shows a deployment without and with its worker, and nobody else's", async () => {
    const created = await building();
    const before = await call(one, created.id);
    expect(before.body).toMatchObject({
      id: created.id,
      status: "BUILDING",
      phase: "building",
      contentHash: "abc",
      imagePlatform: "linux/amd64",
    });
    expect(before.body).not.toHaveProperty("worker");
    await post(workers, created.id, manifest("abc", [{ id: "a" }, { id: "b" }]));
    const { GetDeploymentResponseBody } = await import("@trigger.dev/core/v3/schemas");
    const after = GetDeploymentResponseBody.parse((await call(one, created.id)).body);
    expect(after.worker).toMatchObject({ version: created.version, tasks: [{ slug: "a", filePath: "src/trigger/a.ts" }, { slug: "b" }] });
    for (const id of [f.unknownId(), "deployment_x", "x"]) {
      expect(await call(one, id)).toMatchObject({ status: 404, body: { error: "Deployment not found" } });
    }
    expect((await call(one, created.id, { token: f.staging.secretKey })).status).toBe(404);
    const foreign = f.app.auth.signPublicToken(f.prod, { scopes: ["read:deployments:deployment_other"] });
    expect((await call(one, created.id, { token: foreign })).status).toBe(403);
  });

  it("47: lists newest first, in pages, by status, period and dates; says which parameter is bad", async () => {
    const made = [];
    for (let at = 0; at < 7; at++) made.push(await f.create());
    const [oldest, second] = made;
    if (!oldest || !second) throw new Error("Nothing was made.");
    await f.toPhase(oldest.bare, "starting");
    await f.sql("UPDATE deployment SET created_at = now() - interval '3 days' WHERE id = $1", [second.bare]);
    type List = { data: { id: string; status: string; version: string }[]; pagination: { next?: string }; error?: string };
    const get = (query: string) => callRoute<List>(list, { token: f.token, query });
    const first = await get("?page[size]=5");
    expect(first.body.data.map(({ id }) => id)).toEqual(
      made
        .toReversed()
        .slice(0, 5)
        .map(({ id }) => id)
    );
    expect(first.body.pagination.next).toBe(first.body.data.at(-1)?.id);
    const next = await get(`?page[size]=5&page[after]=${first.body.pagination.next}`);
    expect(next.body.data[0]?.id).toBe(second.id);
    expect((await get("?page[size]=2")).body.data).toHaveLength(5);
    const { ApiDeploymentListResponseItem } = await import("@trigger.dev/core/v3/schemas");
    for (const item of first.body.data) ApiDeploymentListResponseItem.parse(item);
    const ids = (answer: { body: List }) => answer.body.data.map(({ id }) => id);
    expect(ids(await get("?status=BUILDING"))).toContain(oldest.id);
    expect(ids(await get("?period=2d"))).not.toContain(second.id);
    expect(ids(await get(`?to=${new Date(Date.now() - 2 * 86_400_000).toISOString()}`))).toEqual([second.id]);
    expect(ids(await get(`?from=${Date.now() - 2 * 86_400_000}`))).not.toContain(second.id);
    for (const query of ["period=soon", "from=never", "page[after]=x", "period=-1d"]) {
      expect(await get(`?${query}`)).toMatchObject({ status: 400, body: { error: `Invalid search query parameter: ${query}` } });
    }
    for (const query of ["page[size]=0", "page[size]=101", "status=DONE"]) expect((await get(`?${query}`)).status).toBe(400);
  });

  it("answers 404 for the current deployment until there is one, and always for the newest unmanaged one", async () => {
    const get = (route: object) => callRoute<Answer>(route, { token: f.token });
    expect((await get(current)).status).toBe(404);
    const created = await f.create();
    await f.toPhase(created.bare, "ready");
    await f.promote(created.bare);
    const { RetrieveCurrentDeploymentResponseBody } = await import("@trigger.dev/core/v3/schemas");
    expect(RetrieveCurrentDeploymentResponseBody.parse((await get(current)).body)).toMatchObject({ id: created.id, status: "DEPLOYED" });
    expect((await get(latest)).status).toBe(404);
  });

  it("gives the six steps in order", async () => {
    const { id } = await building();
    const { body } = await call(steps, id);
    expect(body).toMatchObject({ phase: "building", status: "BUILDING" });
    const rows = body.steps as { step: string; state: string }[];
    expect(rows.map(({ step, state }) => `${step} ${state}`)).toEqual([
      "queued completed",
      "starting completed",
      "building active",
      "deploying pending",
      "network pending",
      "finalizing pending",
    ]);
  });
});

describe("events", () => {
  it("are numbered without gaps while many write, and read from any of them", async () => {
    const { id, bare } = await f.create();
    const write = (n: number) =>
      f.app.deployments.events.append(f.services.pool, bare, [
        { step: "building", level: "info", body: `line ${n}` },
        { step: null, level: "warn", body: `nul\u0000 ${n} \ud800` },
      ]);
    await Promise.all(Array.from({ length: 20 }, (_, n) => write(n)));
    const { body } = await call(events, id);
    const all = body.events as { seq: number; message: string }[];
    expect(all.map(({ seq }) => seq)).toEqual(Array.from({ length: 40 }, (_, at) => at + 1));
    expect(body.done).toBe(false);
    const rest = (await call(events, id, { query: "?after=38" })).body.events as { seq: number }[];
    expect(rest.map(({ seq }) => seq)).toEqual([39, 40]);
    expect((await call(events, id, { query: "?after=-1" })).status).toBe(400);
  });

  it("stream what was and what comes, then the end", async () => {
    const { id, bare } = await building();
    const line = (body: string) => f.app.deployments.events.append(f.services.pool, bare, [{ step: "building", level: "info", body }]);
    await line("first");
    const answer = call(events, id, { headers: { accept: "text/event-stream" } });
    await line("second");
    await post(cancel, id, { reason: "enough" });
    const text = String((await answer).body);
    expect([...text.matchAll(/^event: (\w+)$/gm)].map((match) => match[1])).toEqual(["log", "log", "finalized", "end"]);
    expect(text).toContain('"message":"enough"');
    const later = await call(events, id, { headers: { accept: "text/event-stream", "last-event-id": "2" } });
    expect([...String(later.body).matchAll(/^id: (\d+)$/gm)].map((match) => match[1])).toEqual(["3"]);
  });

  it("52, matrix 38: finalize may be posted again: it follows, and ends with complete or error", async () => {
    const good = await building();
    const first = post(finalize, good.id);
    await f.app.deployments.events.append(f.services.pool, good.bare, [{ step: "building", level: "info", body: "hello" }]);
    await f.toPhase(good.bare, "ready");
    for (const answer of [await first, await post(finalize, good.id)]) {
      expect(String(answer.body)).toContain('event: log\ndata: {"message":"hello"}');
      expect(String(answer.body).trimEnd().endsWith(`event: complete\ndata: {"id":"${good.id}"}`)).toBe(true);
    }
    const bad = await building();
    await post(fail, bad.id, { error: { name: "Error", message: "no" } });
    expect(String((await post(finalize, bad.id)).body)).toContain('event: error\ndata: {"error":"no"}');
    expect((await post(finalize, f.unknownId())).status).toBe(404);
  });
});

describe("ends", () => {
  it("49: cancel: 204, then 409; 404 for none; a reason of 201 characters is 400", async () => {
    const { id, bare } = await building();
    expect((await post(cancel, id, { reason: "x".repeat(201) })).status).toBe(400);
    expect((await call(cancel, id, { method: "POST" })).status).toBe(204);
    expect(await find(id)).toMatchObject({
      phase: "cancelled",
      status: "CANCELED",
      canceledReason: "Cancelled by user",
      failureStep: "building",
    });
    const rows = await f.app.deployments.api.reads.steps(bare);
    expect(rows.at(-1)).toMatchObject({ step: "building", error: "Cancelled by user", errorSummary: "Cancelled by user" });
    const again = await post(cancel, id);
    expect(again).toMatchObject({ status: 409, body: { error: "Deployment is already in a final state and cannot be canceled" } });
    expect(again.headers.get("x-should-retry")).toBe("false");
    expect(await post(cancel, f.unknownId())).toMatchObject({ status: 404, body: { error: "Deployment not found" } });
    expect((await call(cancel, id, { method: "DELETE", body: {} })).headers.get("allow")).toBe("POST");
    expect((await f.audit(bare)).map(({ event }) => event)).toEqual(["deployment.create", "deployment.cancel"]);
  });

  it("matrix 23: of many cancels at once one counts", async () => {
    const { id, bare } = await f.create();
    const statuses = (await Promise.all(Array.from({ length: 8 }, () => post(cancel, id)))).map(({ status }) => status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([204, ...Array<number>(7).fill(409)]);
    expect(f.workflow.signals.filter((signal) => signal.id === bare)).toHaveLength(1);
  });

  it("50: fail keeps the whole error; on an ended one it is 200 and changes nothing", async () => {
    const { id, bare } = await building();
    const error = { name: "BuildError", message: "m".repeat(600), stack: "at x", stderr: "E404\u0000" };
    expect(await post(fail, id, { error })).toMatchObject({ status: 200, body: { id } });
    const failed = await find(id);
    expect(failed).toMatchObject({
      phase: "failed",
      status: "FAILED",
      failureStep: "building",
      errorData: { name: "BuildError", stderr: "E404" },
    });
    const last = (await f.app.deployments.api.reads.steps(bare)).at(-1);
    expect(last?.errorSummary).toHaveLength(512);
    expect(last?.error).toContain("at x");
    expect((await post(fail, id, { error: { name: "Other", message: "late" } })).status).toBe(200);
    expect(await find(id)).toEqual(failed);
    expect((await post(fail, id, {})).status).toBe(400);
  });

  it("progress is a 409: the workflow drives", async () => {
    const { id } = await f.create();
    const answer = await post(progress, id);
    expect(answer.status).toBe(409);
    expect(answer.headers.get("x-should-retry")).toBe("false");
    expect(answer.body.error).toContain("Deployment is not in a progressable state (PENDING or INSTALLING)");
  });
});

describe("51: background workers", () => {
  it("51, matrix 9: takes the deployment's version, does not become current, and answers a late retry the same", async () => {
    const { id, bare, version } = await building();
    const before = await f.app.environments.byId(f.prod.id);
    const answers = [await post(workers, id, manifest("h1")), await post(workers, id, manifest("h1"))];
    expect(answers[0]).toMatchObject({ status: 200, body: { version, contentHash: "h1" } });
    expect(answers[1]?.body.id).toBe(answers[0]?.body.id);
    await f.toPhase(bare, "deploying");
    expect((await post(workers, id, manifest("h1"))).body.id).toBe(answers[0]?.body.id);
    expect((await f.app.environments.byId(f.prod.id))?.currentWorkerId).toBe(before?.currentWorkerId);
    expect((await f.app.environments.versionByName(f.prod.id, version))?.tasks.has("a")).toBe(true);
    expect(f.workflow.signals).toContainEqual({ id: bare, topic: "worker" });
  });

  it("51, matrix 10: drift is a 409 that fails the deployment", async () => {
    const { id } = await building();
    await post(workers, id, manifest("h1"));
    const drift = await post(workers, id, manifest("h2"));
    expect(drift).toMatchObject({
      status: 409,
      body: { error: "A background worker for this deployment version already exists with a different content hash" },
    });
    expect(await find(id)).toMatchObject({ phase: "failed", failureCode: "worker_drift" });
  });

  it("refuses a deployment that is not building with 500, and leaves it alone", async () => {
    const { id } = await f.create();
    expect((await post(workers, id, manifest("h1"))).status).toBe(500);
    expect((await find(id)).phase).toBe("queued");
  });

  it.each([
    ["duplicate task ids", [{ id: "a" }, { id: "a" }], 'Two tasks have the id "a". Give each its own.'],
    [
      "a bad cron",
      [{ id: "a", schedule: { cron: "61 * * * *", timezone: "UTC" } }],
      'The schedule of task "a" cannot be used: "61 * * * *" has a bad minute',
    ],
    ["a bad time zone", [{ id: "a", schedule: { cron: "0 * * * *", timezone: "Mars/Phobos" } }], '"Mars/Phobos" is not a time zone'],
  ])("matrix 12, bad input: %s fail the deployment with the text", async (_what, tasks, text) => {
    const { id } = await building();
    const answer = await post(workers, id, manifest("h1", tasks));
    expect(answer.status).toBe(400);
    expect(answer.body.error).toContain(text);
    expect((await find(id)).errorData).toMatchObject({ message: answer.body.error });
  });

  it("registers one worker when the indexer posts twice at once", async () => {
    const { id } = await building();
    const answers = await Promise.all([1, 2, 3].map(() => post(workers, id, manifest("h1"))));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  });
});

describe("build variables", () => {
  it("are sealed, readable while it is under way, and not after", async () => {
    const { id, bare } = await f.create({ buildEnvVars: { NPM_TOKEN: "secret-1" } });
    expect((await call(buildVariables, id)).body).toEqual({ variables: { NPM_TOKEN: "secret-1" } });
    const [row] = await f.sql<{ text: string }>("SELECT d::text AS text FROM deployment d WHERE id = $1", [bare]);
    expect(row?.text).not.toContain("secret-1");
    const reader = f.app.auth.signPublicToken(f.prod, { scopes: ["read:deployments"] });
    expect((await call(buildVariables, id, { token: reader })).status).toBe(403);
    await f.toPhase(bare, "ready");
    expect((await call(buildVariables, id)).status).toBe(409);
    expect((await call(buildVariables, f.unknownId())).status).toBe(404);
  });
});

describe("settings and branches", () => {
  const place = () => ({ projectRef: f.prod.project.ref, env: "prod" });

  it("22, 23: the CLI bundles by default, and sends sources when the setting says so", async () => {
    const get = (params: Record<string, string> = place()) => callRoute<Answer>(settings, { token: f.token, params });
    expect((await get()).body.build_path).toBe("native_local_bundle");
    const put = (body: unknown, token = f.token) => callRoute<Answer>(settings, { method: "PUT", token, params: place(), body });
    expect((await put({ buildPath: "native" })).body).toMatchObject({ build_path: "native", autoPromote: true, holdResponse: false });
    expect((await get()).body.build_path).toBe("native");
    expect((await put({ buildPath: "native_local_bundle" }, f.test.credentials.personalAccessToken)).status).toBe(200);
    expect((await get({ projectRef: "proj_other", env: "prod" })).body.error).toBe("Project not found");
    for (const body of [{ buildPath: "depot" }, { concurrentBuilds: 0 }, { concurrentBuilds: 51 }, { unknown: 1 }]) {
      expect((await put(body)).status).toBe(400);
    }
    const lines = await f.sql<{ actor_type: string }>(
      "SELECT actor_type FROM audit_log WHERE event = 'deploy_settings.update' ORDER BY id"
    );
    expect(lines.slice(-2).map((line) => line.actor_type)).toEqual(["key", "user"]);
  });

  it("27: a preview branch is an environment of its own, with its parent's settings, until it is archived", async () => {
    const token = f.test.credentials.personalAccessToken;
    const params = { projectRef: f.prod.project.ref };
    const body = { env: "preview", branch: "feat/x", git: { source: "local" } };
    const made = await callRoute<Answer>(branches, { method: "POST", token, params, body });
    expect((await callRoute<Answer>(branches, { method: "POST", token, params, body })).body.id).toBe(made.body.id);
    const preview = await f.app.environments.bySlug(params.projectRef, "preview", null);
    if (!preview) throw new Error("There is no preview environment.");
    const other = { type: "system", id: "test", name: null, ip: null, userAgent: null, correlationId: null } as const;
    await f.app.deployments.settings.update(preview, { buildPath: "native", holdResponse: false }, other);
    const headers = { "x-trigger-branch": "feat/x" };
    const read = await callRoute<Answer>(settings, { token: preview.secretKey, headers, params: { ...params, env: "preview" } });
    expect(read.body.build_path).toBe("native");
    const artifactKey = await f.uploaded("deployment_bundle", preview.secretKey);
    expect((await f.post({ artifactKey }, { key: preview.secretKey, headers })).status).toBe(400);
    const archived = await callRoute<Answer>(archive, { method: "POST", token, params, body: { env: "preview", branch: "feat/x" } });
    expect(archived.body).toEqual({ branch: { id: made.body.id } });
    await until(async () => (await f.post({}, { key: preview.secretKey, headers })).status === 404);
    expect((await callRoute(archive, { method: "POST", token, params, body: { env: "preview", branch: "feat/x" } })).status).toBe(404);
  });
});
