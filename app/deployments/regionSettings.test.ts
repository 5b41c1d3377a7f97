/** `GET` and `PUT /api/v1/projects/:ref/:env/region-settings`. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import * as route from "../routes/api.v1.projects.$projectRef.$env.region-settings";
import { createApiFixture, type ApiFixture } from "../../test/deployments/apiFixture";
import { callRoute } from "../../test/testApp";

type Region = { region: string; replicas: number | null; canSchedule: boolean };
type Answer = { regions: Region[]; error?: string; issues?: { message: string }[] };

let f: ApiFixture;
beforeAll(async () => {
  f = await createApiFixture();
  for (const name of ["local", "eu"]) await f.app.regions.directory.ensure(name);
});
afterAll(() => f.close());
beforeEach(() => put([{ region: "local", replicas: 1 }]));

const params = () => ({ projectRef: f.prod.project.ref, env: "prod" });
const get = (token = f.token) => callRoute<Answer>(route, { token, params: params() });
const put = (regions: unknown, token = f.token) => callRoute<Answer>(route, { method: "PUT", token, params: params(), body: { regions } });
const chosen = async () => (await get()).body.regions.map(({ region, replicas }) => [region, replicas]);

describe("region settings", () => {
  it("are replaced as a whole, by a key or a person, and the audit says by whom", async () => {
    const both = [
      { region: "eu", replicas: 20 },
      { region: "local", replicas: 2 },
    ];
    expect(await put(both)).toMatchObject({ status: 200, body: { regions: [{ region: "eu", replicas: 20, canSchedule: true }, both[1]] } });
    expect((await put([{ region: "eu", replicas: 1 }], f.test.credentials.personalAccessToken)).status).toBe(200);
    expect(await chosen()).toEqual([
      ["eu", 1],
      ["local", null],
    ]);
    const audit = await f.sql("SELECT actor_type FROM audit_log WHERE event = 'region_settings.update' ORDER BY id DESC LIMIT 2");
    expect(audit).toEqual([{ actor_type: "user" }, { actor_type: "key" }]);
  });

  it.each([[0], [-1], [1.5], ["2"], [21], [null], [1e9]])(
    "10, bad input: replicas %j are refused, naming region and value",
    async (replicas) => {
      const got = typeof replicas === "string" ? `"${replicas}"` : String(replicas);
      const text = `Region "eu": replicas must be a whole number between 1 and 20 (got ${got}).`;
      const rows = [
        { region: "eu", replicas },
        { region: "local", replicas: 1 },
      ];
      expect(await put(rows)).toMatchObject({ status: 400, body: { error: text, issues: [{ message: text }] } });
      expect(await chosen()).toEqual([
        ["eu", null],
        ["local", 1],
      ]);
    }
  );

  it("bad input: a region that does not exist is named with everything else that is wrong", async () => {
    const rows = [{ region: "mars", replicas: 1 }, { region: "eu", replicas: 0 }, { region: "eu", replicas: 1 }, { region: "local" }];
    const { status, body } = await put(rows);
    expect(status).toBe(400);
    expect(body.issues?.map(({ message }) => message)).toEqual([
      'Region "mars" does not exist.',
      'Region "eu" is named twice.',
      'Region "eu": replicas must be a whole number between 1 and 20 (got 0).',
      'Region "local": replicas must be a whole number between 1 and 20 (got nothing).',
    ]);
    expect((await put([])).body.error).toBe("No regions configured. Add at least one region before deploying.");
  });

  it("are nobody else's: other keys, public tokens and builds", async () => {
    expect((await put([{ region: "eu", replicas: 1 }], f.staging.secretKey)).status).toBe(403);
    const reader = f.app.auth.signPublicToken(f.prod, { scopes: ["read:deployments"] });
    expect((await get(reader)).status).toBe(200);
    expect((await put([{ region: "eu", replicas: 1 }], reader)).status).toBe(403);
    for (const body of [undefined, { regions: {} }, { regions: [{ region: "", replicas: 1 }] }, { regions: [], more: 1 }]) {
      expect((await callRoute(route, { method: "PUT", token: f.token, params: params(), body })).status).toBe(400);
    }
    expect((await callRoute(route, { method: "POST", token: f.token, params: params(), body: {} })).status).toBe(405);
  });
});
