import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestServices, type TestServices } from "../../../../test/services";
import { inTransaction } from "../../../platform/db.server";
import { DbosEngine } from "./dbosEngine.server";

let services: TestServices;
beforeAll(async () => {
  services = await createTestServices();
  await services.pool.query("DROP SCHEMA dbos CASCADE");
});
afterAll(() => services.close());

const open = () => new DbosEngine({ pool: services.pool, directDatabaseUrl: services.databaseUrl, log: services.log });

test("a transaction that has read something can signal: the engine's tables are there before anybody is served", async () => {
  const engine = open();
  await engine.prepare();
  await inTransaction(services.pool, async (tx) => {
    // A statement with parameters keeps its snapshot until the next one; building an index concurrently waits for it.
    await tx.query("SELECT id FROM deployment WHERE id = $1", ["none"]);
    await engine.signal(tx, "none", "cancel");
  });
  const { rows } = await services.pool.query("SELECT 1 FROM dbos.workflow_status");
  expect(rows).toEqual([]);
});

test("processes that start together make the tables once", async () => {
  await services.pool.query("DROP SCHEMA dbos CASCADE");
  await Promise.all([open().prepare(), open().prepare()]);
  const { rows } = await services.pool.query("SELECT 1 FROM dbos.workflow_status");
  expect(rows).toEqual([]);
});
