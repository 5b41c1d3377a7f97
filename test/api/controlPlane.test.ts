/** Project, environment, variable and CLI login routes, against real stores, in the clients' own schemas. */
import {
  ApiBranchListResponseBody,
  CreateAuthorizationCodeResponseSchema,
  EnvironmentVariableResponseBody,
  EnvironmentVariableWithSecret,
  GetEnvironmentVariablesResponseBody,
  GetJWTResponse,
  GetOrgsResponseBody,
  GetPersonalAccessTokenResponseSchema,
  GetProjectEnvironmentsResponseBody,
  GetProjectEnvResponse,
  GetProjectResponseBody,
  GetProjectRuntimesResponseBody,
  GetProjectsResponseBody,
  GetWorkerByTagResponse,
  UpsertBranchResponseBody,
  WhoAmIResponseSchema,
} from "@trigger.dev/core/v3/schemas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as authorizationCode from "../../app/routes/api.v1.authorization-code";
import * as orgs from "../../app/routes/api.v1.orgs";
import * as notifications from "../../app/routes/api.v1.platform-notifications";
import * as envIndex from "../../app/routes/api.v1.projects.$projectRef.$env._index";
import * as envJwt from "../../app/routes/api.v1.projects.$projectRef.$env.jwt";
import * as workers from "../../app/routes/api.v1.projects.$projectRef.$env.workers.$tag";
import * as project from "../../app/routes/api.v1.projects.$projectRef._index";
import * as branches from "../../app/routes/api.v1.projects.$projectRef.branches";
import * as devStatus from "../../app/routes/api.v1.projects.$projectRef.dev-status";
import * as environmentsRoute from "../../app/routes/api.v1.projects.$projectRef.environments";
import * as variable from "../../app/routes/api.v1.projects.$projectRef.envvars.$slug.$name";
import * as variables from "../../app/routes/api.v1.projects.$projectRef.envvars.$slug._index";
import * as importRoute from "../../app/routes/api.v1.projects.$projectRef.envvars.$slug.import";
import * as runVariables from "../../app/routes/api.v1.projects.$projectRef.envvars._index";
import * as projects from "../../app/routes/api.v1.projects._index";
import * as runtimes from "../../app/routes/api.v1.projects.runtimes";
import * as tokenRoute from "../../app/routes/api.v1.token";
import * as whoami from "../../app/routes/api.v2.whoami";
import { createTestServices, type TestServices } from "../services";
import { createTenant, waitFor, type Tenant } from "../tenant";
import { callRoute, createTestApp, TEST_ORIGIN, type ApiCall, type TestApp } from "../testApp";

let services: TestServices;
let test_: TestApp;
let pat: string;
let ref: string;
/** Another organization's. */
let stranger: Tenant;

beforeAll(async () => {
  services = await createTestServices();
  test_ = await createTestApp(services);
  pat = test_.credentials.personalAccessToken;
  ref = test_.credentials.projectRef;
  stranger = await createTenant(test_.app.environments);
});
afterAll(async () => {
  await test_.close();
  await services.close();
});

function asUser(route: object, params: Record<string, string> = {}, call: ApiCall = {}) {
  return callRoute(route, { token: pat, params, ...call });
}
const dev = () => test_.credentials.environments.dev;

describe("the CLI's first calls", () => {
  test("whoami names the user, the dashboard and the project", async () => {
    const plain = WhoAmIResponseSchema.parse((await asUser(whoami)).body);
    expect(plain).toMatchObject({ email: "admin@sluice.test", dashboardUrl: TEST_ORIGIN });
    expect(plain.project).toBeUndefined();
    const named = WhoAmIResponseSchema.parse((await asUser(whoami, {}, { query: `?projectRef=${ref}` })).body);
    expect(named.project?.url).toBe(`${TEST_ORIGIN}/projects/v3/${ref}`);
    const foreign = await asUser(whoami, {}, { query: `?projectRef=${stranger.ref}` });
    expect(foreign).toMatchObject({ status: 200 });
    expect(foreign.body.project).toBeUndefined();
  });

  test("lists show the caller's own organizations and projects only", async () => {
    expect((await asUser(notifications)).body).toEqual({ notification: null });
    expect(GetOrgsResponseBody.parse((await asUser(orgs)).body)).toHaveLength(1);
    const all = GetProjectsResponseBody.parse((await asUser(projects)).body);
    expect(all.map((each) => each.externalRef)).toEqual([ref]);
    expect(GetProjectResponseBody.parse((await asUser(project, { projectRef: ref })).body).externalRef).toBe(ref);
    const environments = GetProjectEnvironmentsResponseBody.parse((await asUser(environmentsRoute, { projectRef: ref })).body);
    expect(environments.map((each) => each.slug)).toEqual(["dev", "staging", "prod"]);
  });

  test.each(["dev", "staging", "stg", "prod"])("%s answers the key of the environment", async (env) => {
    const body = GetProjectEnvResponse.parse((await asUser(envIndex, { projectRef: ref, env })).body);
    const slug = env === "stg" ? "staging" : (env as "dev" | "staging" | "prod");
    expect(body).toMatchObject({ apiKey: test_.credentials.environments[slug].secretKey, apiUrl: TEST_ORIGIN });
  });

  test("someone else's project is `Project not found` on every route", async () => {
    for (const projectRef of [stranger.ref, "proj_nonexistent00000000", "%00", "__proto__"]) {
      for (const [route, params] of [
        [project, {}],
        [environmentsRoute, {}],
        [envIndex, { env: "dev" }],
        [devStatus, {}],
        [branches, {}],
        [workers, { env: "dev", tag: "current" }],
        [variables, { slug: "dev" }],
        [variable, { slug: "dev", name: "A" }],
      ] as const) {
        const answer = await asUser(route, { projectRef, ...params });
        expect([answer.status, answer.body.error]).toEqual([404, "Project not found"]);
      }
    }
    const signed = await asUser(envJwt, { projectRef: stranger.ref, env: "dev" }, { body: {} });
    expect([signed.status, signed.body.error]).toEqual([404, "Project not found"]);
  });

  test("without a token, or with a secret key, is a 401 with an error", async () => {
    for (const token of [undefined, dev().secretKey, "tr_pat_0123456789abcdefghijklmnopqrstuv"]) {
      const answer = await callRoute(project, { token, params: { projectRef: ref } });
      expect(answer.status).toBe(401);
      expect(answer.body.error).toMatch(/Access Token/);
    }
  });

  test("no worker yet is a 404 that says what to do; afterwards it is described", async () => {
    const place = { projectRef: ref, env: "dev", tag: "current" };
    expect((await asUser(workers, place)).status).toBe(404);
    const { id, version } = await test_.app.environments.registerWorkerVersion({
      envId: dev().id,
      body: {
        localOnly: true,
        metadata: {
          packageVersion: "4.8.3",
          contentHash: "abc",
          runtime: "node",
          runtimeVersion: "20.20.2",
          tasks: [{ id: "hello", filePath: "a.ts", payloadSchema: { type: "object" } }],
        },
      },
    });
    await waitFor(async () => (await asUser(workers, place)).status === 200);
    const { worker } = GetWorkerByTagResponse.parse((await asUser(workers, place)).body);
    expect(worker).toMatchObject({ id: `worker_${id}`, version, sdkVersion: "4.8.3" });
    expect(worker.tasks[0]).toMatchObject({ slug: "hello", filePath: "a.ts", triggerSource: "standard" });
    const [runtime] = GetProjectRuntimesResponseBody.parse((await asUser(runtimes)).body);
    expect(runtime?.deployment).toMatchObject({ runtime: "node", runtimeVersion: "20.20.2", nodeMajor: 20 });
    expect((await asUser(workers, { ...place, tag: "older" })).status).toBe(400);
    expect((await asUser(devStatus, { projectRef: ref })).body).toEqual({ isConnected: false });
  });

  test("a public token for a person works, and only in its scopes", async () => {
    const body = { claims: { scopes: ["read:runs"] }, expirationTime: "5m" };
    const { token, environmentId } = GetJWTResponse.parse((await asUser(envJwt, { projectRef: ref, env: "prod" }, { body })).body);
    const caller = await test_.app.auth.environment(new Request(TEST_ORIGIN, { headers: { authorization: `Bearer ${token}` } }));
    expect(caller.env.id).toBe(environmentId);
    expect(caller.can("write", [{ type: "runs" }])).toBe(false);
    expect((await asUser(envJwt, { projectRef: ref, env: "prod" }, { body: { expirationTime: "soon" } })).status).toBe(400);
  });

  test("branches are made, listed and reached", async () => {
    const made = await asUser(branches, { projectRef: ref }, { body: { branch: "feat/x", env: "development" } });
    const { id } = UpsertBranchResponseBody.parse(made.body);
    const listed = await asUser(branches, { projectRef: ref }, { query: "?env=development", method: "GET" });
    expect(ApiBranchListResponseBody.parse(listed.body).branches).toMatchObject([{ id, name: "feat/x", isPaused: false }]);
    const reached = await asUser(envIndex, { projectRef: ref, env: "dev" }, { headers: { "x-trigger-branch": "feat/x" } });
    expect(reached.body.apiKey).toBe(dev().secretKey);
    expect((await asUser(envIndex, { projectRef: ref, env: "dev" }, { headers: { "x-trigger-branch": "nope" } })).status).toBe(404);
    expect((await asUser(branches, { projectRef: ref }, { body: { branch: "a b", env: "development" } })).status).toBe(400);
    expect((await asUser(envIndex, { projectRef: ref, env: "preview" })).status).toBe(404);
  });
});

describe("CLI login", () => {
  test("polls as text/plain until a person approves, once", async () => {
    const asked = await callRoute(authorizationCode, { body: { codeChallenge: "a".repeat(43), codeChallengeMethod: "S256" } });
    const { url, authorizationCode: code, approval } = CreateAuthorizationCodeResponseSchema.parse(asked.body);
    expect(approval).toBeUndefined();
    const poll = () =>
      callRoute(tokenRoute, { body: JSON.stringify({ authorizationCode: code }), headers: { "content-type": "text/plain;charset=UTF-8" } });
    expect(GetPersonalAccessTokenResponseSchema.parse((await poll()).body)).toEqual({ token: null });
    const { userId } = WhoAmIResponseSchema.parse((await asUser(whoami)).body);
    await test_.app.auth.authorizationCodes.approve({ linkId: url.split("/").at(-1) ?? "", userId });
    const { token } = GetPersonalAccessTokenResponseSchema.parse((await poll()).body);
    expect((await callRoute(whoami, { token: token?.token })).status).toBe(200);
    expect((await poll()).status).toBe(400);
  });

  test.each([
    ["{", 400],
    ["[]", 400],
    ["{}", 400],
    ['{"authorizationCode":""}', 400],
    ['{"authorizationCode":"x\\u0000"}', 400],
    [`{"authorizationCode":"${"x".repeat(9_000)}"}`, 413],
  ])("refuses %j", async (body, status) => {
    const answer = await callRoute(tokenRoute, { body });
    expect(answer.status).toBe(status);
    expect(answer.body.error).toEqual(expect.any(String));
  });
});

describe("variables", () => {
  test("are set, read, changed and removed by a person; secret values never come back", async () => {
    const place = { projectRef: ref, slug: "staging" };
    const ok = (answer: { body: unknown }) => EnvironmentVariableResponseBody.parse(answer.body);
    ok(await asUser(variables, place, { body: { name: "PLAIN", value: "1" } }));
    ok(await asUser(variables, place, { body: { name: "HIDDEN", value: "s3cret", isSecret: true } }));
    const shown = EnvironmentVariableWithSecret.array().parse((await asUser(variables, place)).body);
    expect(shown).toEqual([
      { name: "HIDDEN", value: "<redacted>", isSecret: true },
      { name: "PLAIN", value: "1", isSecret: false },
    ]);
    ok(await asUser(variable, { ...place, name: "PLAIN" }, { method: "PUT", body: { value: "2" } }));
    expect((await asUser(variable, { ...place, name: "PLAIN" })).body).toEqual({ name: "PLAIN", value: "2", isSecret: false });
    expect((await asUser(variable, { ...place, name: "PLAIN" }, { method: "PUT" })).status).toBe(400);
    ok(await asUser(variable, { ...place, name: "PLAIN" }, { method: "DELETE" }));
    for (const call of [{}, { method: "DELETE" }, { method: "PUT", body: { value: "x" } }]) {
      expect((await asUser(variable, { ...place, name: "PLAIN" }, call)).status).toBe(404);
    }
    expect((await asUser(variable, { ...place, name: "HIDDEN" }, { body: {}, method: "PATCH" })).status).toBe(405);
  });

  test("imported by a secret key reach the runs of its environment, and of no other", async () => {
    const key = dev().secretKey;
    const body = { variables: { A: "1", B: "2" }, override: true };
    const place = { projectRef: ref, slug: "dev" };
    expect((await callRoute(importRoute, { token: key, params: place, body })).body).toEqual({ success: true });
    const read = (token: string) => callRoute(runVariables, { token, params: { projectRef: ref } });
    await waitFor(async () => "A" in GetEnvironmentVariablesResponseBody.parse((await read(key)).body).variables);
    expect((await read(test_.credentials.environments.prod.secretKey)).body).toEqual({ variables: {} });
    expect((await callRoute(runVariables, { token: key, params: { projectRef: stranger.ref } })).body.error).toBe("Project not found");
    expect((await callRoute(importRoute, { token: key, params: { ...place, slug: "prod" }, body })).status).toBe(403);
    expect((await callRoute(variables, { token: stranger.dev.secretKey, params: place })).body.error).toBe("Project not found");
    const signed = test_.app.auth.signPublicToken(await test_.environment("dev"), { scopes: ["admin"] });
    expect((await callRoute(variables, { token: signed, params: place })).status).toBe(403);
    expect((await callRoute(variables, { params: place })).status).toBe(401);
  });

  test("that cannot be are refused, all of them or none", async () => {
    for (const bad of [{ "": "x" }, { "A B": "x" }, { N: "a\u0000" }, { TRIGGER_API_URL: "x" }, { NUMBER: 1 }, []]) {
      const body = { variables: Array.isArray(bad) ? bad : { GOOD: "x", ...bad } };
      const answer = await asUser(importRoute, { projectRef: ref, slug: "prod" }, { body });
      expect(answer.status).toBe(400);
      expect(answer.body.error).toEqual(expect.any(String));
    }
    const poisoned = await asUser(importRoute, { projectRef: ref, slug: "prod" }, { body: '{"variables":{"__proto__":"x","GOOD":"x"}}' });
    expect(poisoned.status).toBe(400);
    expect((await asUser(variables, { projectRef: ref, slug: "prod" })).body).toEqual([]);
  });
});
