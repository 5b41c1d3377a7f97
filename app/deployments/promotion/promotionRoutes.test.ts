/** Tests 20, 42 and 43 of the deployments specification: promote and rollback over their routes. */
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { insertReady, type InsertedDeployment } from "../../../test/deploymentFixture";
import { createTestServices, type TestServices } from "../../../test/services";
import { callRoute, createTestApp, type TestApp } from "../../../test/testApp";
import { createDispatcher } from "../../api/dispatch/router.server";
import type { EnvironmentView } from "../../environments/types";
import * as promoteRoute from "../../routes/api.v1.deployments.$deploymentVersion.promote";
import * as rollbackRoute from "../../routes/api.v1.deployments.$deploymentVersion.rollback";
import * as stopRoute from "../../routes/api.v1.deployments.$deploymentVersion.stop";
import { REFUSALS } from "./decidePromotion";
import { readPointer } from "./swap.server";

let services: TestServices;
let app: TestApp;
let env: EnvironmentView;

beforeAll(async () => {
  services = await createTestServices();
  app = await createTestApp(services);
  env = await app.environment("prod");
});
afterAll(async () => {
  await app.close();
  await services.close();
});

let made: InsertedDeployment[];
beforeEach(async () => {
  for (const table of ["deployment_promotion_event", "deployment_promotion", "deployment_job", "deployment"]) {
    await services.pool.query(`DELETE FROM ${table}`);
  }
  await services.pool.query("DELETE FROM worker_version");
  made = [];
  for (const n of [1, 2, 3]) made.push(await insertReady(services.pool, env, { version: `20261121.${n}` }));
});

const call = (route: object, version: string, more: { query?: string; method?: string; token?: string } = {}) =>
  callRoute(route, { method: "POST", params: { deploymentVersion: version }, token: env.secretKey, ...more });
const promote = (version: string, query?: string) => call(promoteRoute, version, { query });
const rollback = (version: string, query?: string) => call(rollbackRoute, version, { query });

describe("promote", () => {
  test("20, 42: newer, older, unknown (row 1) and current", async () => {
    const first = await promote("20261121.2");
    expect(first).toMatchObject({ status: 200 });
    const [, two] = made;
    expect(first.body).toEqual({ id: `deployment_${two?.id}`, version: "20261121.2", shortCode: two?.shortCode });
    const older = await promote("20261121.1");
    expect(older.status).toBe(400);
    expect(older.body).toEqual({ error: REFUSALS.older });
    expect(await promote("20261121.9")).toMatchObject({ status: 404, body: { error: "Deployment not found" } });
    expect(await promote("20261121.2")).toMatchObject({ status: 400, body: { error: REFUSALS.alreadyCurrent } });
    expect(await promote("20261121.3")).toMatchObject({ status: 200 });
  });

  test("20, 43: allowRollbacks is true, false, or refused by name (row 20)", async () => {
    await promote("20261121.3");
    expect(await promote("20261121.1", "?allowRollbacks=false")).toMatchObject({ status: 400, body: { error: REFUSALS.older } });
    const garbage = [
      "=yes",
      "=",
      "",
      "=1",
      "=TRUE",
      "=true%20",
      "[]=true&allowRollbacks=x",
      "=true&allowRollbacks=true",
      "=false&allowRollbacks=true",
    ];
    for (const text of garbage) {
      const answer = await promote("20261121.1", `?allowRollbacks${text}`);
      expect([text, answer.status, answer.body.error]).toEqual([
        text,
        400,
        'Invalid query parameter "allowRollbacks": expected true or false',
      ]);
    }
    const allowed = await promote("20261121.1", "?allowRollbacks=true&other=whatever");
    expect(allowed).toMatchObject({ status: 200, body: { version: "20261121.1" } });
    expect(await readPointer(services.pool, env.id)).toMatchObject({ currentVersion: "20261121.1", isRolledBack: false, generation: 2 });
  });

  test("bad input: an unknown version", async () => {
    for (const version of ["20261121.9", "x", "20261121.1 ", "%00", "..", "'; DROP TABLE deployment"]) {
      expect(await promote(version)).toMatchObject({ status: 404, body: { error: "Deployment not found" } });
      expect(await rollback(version)).toMatchObject({ status: 404, body: { error: "Deployment not found" } });
    }
    expect(await readPointer(services.pool, env.id)).toBeNull();
  });

  test("bad input: promote of a failed deployment", async () => {
    await promote("20261121.1");
    await services.pool.query("UPDATE deployment SET phase = 'failed', status = 'FAILED' WHERE version = '20261121.2'");
    for (const query of ["", "?allowRollbacks=true"]) {
      expect(await promote("20261121.2", query)).toMatchObject({ status: 400, body: { error: REFUSALS.notDeployed.promote } });
    }
    expect(await rollback("20261121.2")).toMatchObject({ status: 400, body: { error: REFUSALS.notDeployed.rollback } });
    expect(await readPointer(services.pool, env.id)).toMatchObject({ currentVersion: "20261121.1", generation: 1 });
  });

  test("the key decides before the query, and the query before the version", async () => {
    expect(await call(promoteRoute, "nope", { query: "?allowRollbacks=x", token: "tr_prod_wrong" })).toMatchObject({ status: 401 });
    expect(await call(promoteRoute, "nope", { query: "?allowRollbacks=x" })).toMatchObject({ status: 400 });
    expect(await call(promoteRoute, "nope")).toMatchObject({ status: 404 });
    const staging = await app.environment("staging");
    expect(await call(promoteRoute, "20261121.1", { token: staging.secretKey })).toMatchObject({ status: 404 });
  });

  test("20: row 24, an unexpected error is a 500 with its text", async () => {
    await services.pool.query("ALTER TABLE deployment_promotion_event RENAME TO hidden");
    try {
      expect(await promote("20261121.1")).toMatchObject({ status: 500, body: { error: "Failed to promote deployment" } });
      expect(await rollback("20261121.1")).toMatchObject({ status: 500, body: { error: "Failed to roll back deployment" } });
    } finally {
      await services.pool.query("ALTER TABLE hidden RENAME TO deployment_promotion_event");
    }
    expect(await readPointer(services.pool, env.id)).toBeNull();
    expect(app.lines.filter((line) => line.event === "deployment.change_failed" || line.msg === "deployment.change_failed")).toHaveLength(
      2
    );
  });
});

describe("rollback", () => {
  test("goes to older versions only, whatever is passed", async () => {
    await promote("20261121.2");
    for (const query of ["", "?allowRollbacks=true"]) {
      expect(await rollback("20261121.3", query)).toMatchObject({ status: 400, body: { error: REFUSALS.newer } });
    }
    expect(await rollback("20261121.1", "?allowRollbacks=maybe")).toMatchObject({ status: 400 });
    const [one] = made;
    const answer = await rollback("20261121.1");
    expect(answer).toMatchObject({ status: 200 });
    expect(answer.body).toEqual({
      id: `deployment_${one?.id}`,
      version: "20261121.1",
      shortCode: one?.shortCode,
      previousVersion: "20261121.2",
    });
    expect(await promote("20261121.1")).toMatchObject({ status: 200 });
    expect(await readPointer(services.pool, env.id)).toMatchObject({ isRolledBack: false, generation: 3 });
  });

  test("the history and the audit say who, from where", async () => {
    await callRoute(promoteRoute, {
      method: "POST",
      params: { deploymentVersion: "20261121.1" },
      token: env.secretKey,
      headers: { "x-sluice-client-address": "192.0.2.7", "user-agent": "curl/8", "x-trigger-request-idempotency-key": "request-1" },
    });
    const { rows } = await services.pool.query(
      "SELECT event, actor_type, actor_id, ip, user_agent, correlation_id FROM audit_log ORDER BY id DESC LIMIT 1"
    );
    expect(rows).toEqual([
      {
        event: "deployment.promote",
        actor_type: "key",
        actor_id: env.id,
        ip: "192.0.2.7",
        user_agent: "curl/8",
        correlation_id: "request-1",
      },
    ]);
  });
});

describe("other methods", () => {
  test.each([
    ["promote", promoteRoute],
    ["rollback", rollbackRoute],
    ["stop", stopRoute],
  ])("20, 43: %s answers a real 405 (row 21) before it looks at the caller", async (_name, route) => {
    for (const method of ["GET", "PUT", "PATCH", "DELETE"]) {
      const answer = await callRoute(route, { method, params: { deploymentVersion: "20261121.1" }, query: "?allowRollbacks=x" });
      expect([method, answer.status, answer.headers.get("allow"), answer.body]).toEqual([
        method,
        405,
        "POST",
        { error: "Method Not Allowed" },
      ]);
    }
  });

  test("the server says the same over HTTP, and OPTIONS names POST", async () => {
    const promoteDefinition = { id: "promote", path: "api/v1/deployments/:deploymentVersion/promote", module: promoteRoute };
    const listener = createDispatcher({ routes: { promote: promoteDefinition }, fallback: (_in, out) => out.end(), log: services.log });
    const server = http.createServer(listener).listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/deployments/20261121.1/promote`;
      const answers = await Promise.all(["GET", "PUT", "DELETE", "OPTIONS"].map((method) => fetch(url, { method })));
      expect(answers.map((answer) => [answer.status, answer.headers.get("allow")])).toEqual([
        ...Array<[number, string]>(3).fill([405, "POST"]),
        [204, "POST"],
      ]);
      const promoted = await fetch(url, { method: "POST", headers: { authorization: `Bearer ${env.secretKey}` } });
      expect([promoted.status, ((await promoted.json()) as { version: string }).version]).toEqual([200, "20261121.1"]);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
