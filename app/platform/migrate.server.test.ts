import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEmptyDatabase } from "../../test/services";
import { createPool, type Pool } from "./db.server";
import { silentLogger } from "./logger";
import { applyMigrations, listMigrations, migrationSets, pendingMigrations, type MigrationSet } from "./migrate.server";

describe("migration runner", () => {
  let pool: Pool;
  let url: string;
  let root: string;
  let set: MigrationSet;

  beforeAll(async () => {
    url = (await createEmptyDatabase()).databaseUrl;
    pool = createPool({ url, max: 2, name: "migrate-test", log: silentLogger });
    root = mkdtempSync(path.join(os.tmpdir(), "sluice-migrations-"));
    set = migrationSets(root).runOps;
  });

  afterAll(async () => {
    await pool.end();
    rmSync(root, { recursive: true, force: true });
  });

  function write(name: string, sql: string): void {
    mkdirSync(path.join(set.directory, name), { recursive: true });
    writeFileSync(path.join(set.directory, name, "migration.sql"), sql);
  }

  it("finds nothing to do in a folder that does not exist", async () => {
    expect(await applyMigrations(url, set, silentLogger)).toEqual([]);
  });

  it("lets racing runners apply each file once, in its schema, with Prisma's checksum", async () => {
    const sql = "CREATE TABLE item (id text PRIMARY KEY);\nCREATE INDEX item_id ON item (id);\n";
    write("20260101000000_first", sql);
    expect(await pendingMigrations(pool, set)).toEqual(["20260101000000_first"]);
    const applied = await Promise.all([1, 2, 3].map(() => applyMigrations(url, set, silentLogger)));
    expect(applied.flat()).toEqual(["20260101000000_first"]);
    const { rows } = await pool.query("SELECT migration_name, checksum, applied_steps_count FROM run_ops._prisma_migrations");
    expect(rows).toEqual([
      { migration_name: "20260101000000_first", checksum: createHash("sha256").update(sql).digest("hex"), applied_steps_count: 1 },
    ]);
    await pool.query("SELECT id FROM run_ops.item");
    expect(await pendingMigrations(pool, set)).toEqual([]);
  });

  it("keeps nothing of a file that fails, names file and line, and continues once it is mended", async () => {
    write("20260102000000_second", "CREATE TABLE other (id text);\nSELECT nonsense FROM item;\n");
    await expect(applyMigrations(url, set, silentLogger)).rejects.toThrow(
      /20260102000000_second.*migration\.sql:2.*nonsense.*Nothing of it was kept/
    );
    await expect(pool.query("SELECT 1 FROM run_ops.other")).rejects.toThrow(/does not exist/);
    write("20260102000000_second", "CREATE TABLE other (id text);\n");
    expect(await applyMigrations(url, set, silentLogger)).toEqual(["20260102000000_second"]);
  });

  it("refuses a file that was changed after it had been applied", async () => {
    write("20260102000000_second", "CREATE TABLE other (id text, more text);\n");
    await expect(applyMigrations(url, set, silentLogger)).rejects.toThrow(/changed after it had been applied/);
    write("20260102000000_second", "CREATE TABLE other (id text);\n");
  });

  it("refuses what Prisma began and did not end, with the statement that clears it", async () => {
    write("20260103000000_third", "SELECT 1;\n");
    await pool.query("INSERT INTO run_ops._prisma_migrations (id, checksum, migration_name) VALUES ('x', 'y', '20260103000000_third')");
    const failure = await applyMigrations(url, set, silentLogger).catch((error: Error) => error.message);
    const fix = /`(DELETE [^`]+)`/.exec(String(failure))?.[1] ?? "";
    await pool.query(fix);
    expect(await applyMigrations(url, set, silentLogger)).toEqual(["20260103000000_third"]);
  });

  it("applies the shipped migrations of both databases to one empty database", async () => {
    const { databaseUrl } = await createEmptyDatabase();
    for (const shipped of Object.values(migrationSets())) {
      expect(await applyMigrations(databaseUrl, shipped, silentLogger)).toEqual(listMigrations(shipped).map((m) => m.name));
      expect(await applyMigrations(databaseUrl, shipped, silentLogger)).toEqual([]);
    }
  });
});
