/** The migrations are what runs; the Prisma schemas are what is generated from. They must say the same. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestServices, type TestServices } from "./services";

type Column = { type: string; nullable: boolean };
type Tables = Record<string, Record<string, Column>>;

const SCALARS: Record<string, string> = {
  String: "text",
  Int: "int4",
  BigInt: "int8",
  Float: "float8",
  Boolean: "bool",
  DateTime: "timestamp",
  Json: "jsonb",
  Bytes: "bytea",
};
const NATIVE: Record<string, string> = {
  Timestamptz: "timestamptz",
  SmallInt: "int2",
  Integer: "int4",
  BigInt: "int8",
  Text: "text",
  ByteA: "bytea",
  Json: "json",
  JsonB: "jsonb",
  Real: "float4",
  DoublePrecision: "float8",
  Char: "bpchar",
  VarChar: "varchar",
  Uuid: "uuid",
};
/** Tables that Prisma has no model for, with the reason. */
const WITHOUT_MODEL = new Set([
  // Of Prisma's own tool and of our runner.
  "_prisma_migrations",
]);

let services: TestServices;

beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());

describe.each([
  ["control-plane", "public"],
  ["run-ops", "run_ops"],
])("prisma/%s/schema.prisma", (folder, schema) => {
  it("has the tables and columns that the migrations make", async () => {
    const declared = parseSchema(readFileSync(path.join("prisma", folder, "schema.prisma"), "utf8"));
    expect(Object.keys(declared).length).toBeGreaterThan(5);
    expect(declared).toEqual(await readTables(schema));
  });
});

/** Tables of a schema; partitions are left out, their parents stay. */
async function readTables(schema: string): Promise<Tables> {
  const { rows } = await services.pool.query<{ table: string; column: string; type: string; nullable: boolean }>(
    `SELECT c.relname AS table, a.attname AS column, t.typname AS type, NOT a.attnotnull AS nullable
     FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     JOIN pg_type t ON t.oid = a.atttypid
     WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition`,
    [schema]
  );
  const tables: Tables = {};
  for (const row of rows) {
    if (WITHOUT_MODEL.has(row.table)) continue;
    const table = (tables[row.table] ??= {});
    // Postgres names the type of an array with an underscore in front. Prisma cannot say whether a list may be null.
    const isList = row.type.startsWith("_");
    table[row.column] = { type: isList ? `${row.type.slice(1)}[]` : row.type, nullable: row.nullable && !isList };
  }
  return tables;
}

/** Scalar fields of each model; fields whose type is a model are relations, and no columns. */
function parseSchema(text: string): Tables {
  const models = [...text.matchAll(/^model (\w+) \{\n([\s\S]*?)^\}/gm)];
  const names = new Set(models.map((model) => model[1]));
  return Object.fromEntries(
    models.map(([, name = "", body = ""]) => {
      const table = /@@map\("([^"]+)"\)/.exec(body)?.[1] ?? name;
      const fields = [...body.matchAll(/^ {2}(\w+)\s+(\w+)(\[\])?(\?)?([^\n]*)$/gm)];
      const columns = fields.filter((field) => !names.has(field[2] ?? "")).map((field) => columnOf(field));
      return [table, Object.fromEntries(columns)];
    })
  );
}

function columnOf([, field = "", scalar = "", list, optional, attributes = ""]: RegExpMatchArray): [string, Column] {
  const native = /@db\.(\w+)/.exec(attributes)?.[1];
  const type = native ? NATIVE[native] : (SCALARS[scalar] ?? /Unsupported\("([^"]+)"\)/.exec(attributes)?.[1]);
  if (!type) throw new Error(`Teach this test the type of ${field}: ${scalar} ${attributes}`);
  return [/@map\("([^"]+)"\)/.exec(attributes)?.[1] ?? field, { type: list ? `${type}[]` : type, nullable: optional === "?" }];
}
