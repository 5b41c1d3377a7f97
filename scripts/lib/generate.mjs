/** Prisma clients, generated when their schema changed. Needs no engine binary and no network. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fail, root } from "./run.mjs";

const SCHEMAS = ["control-plane", "run-ops"];

/** Generates what is missing or out of date; `force` generates all. A schema without a generator has no client. */
export function generateClients({ force = false } = {}) {
  for (const name of SCHEMAS) {
    const schema = path.join(root, "prisma", name, "schema.prisma");
    if (!existsSync(schema)) continue;
    const text = readFileSync(schema, "utf8");
    if (!/^generator\s/m.test(text)) continue;
    const stamp = path.join(root, "prisma/generated", `.${name}`);
    const hash = createHash("sha256").update(text).update(prismaVersion()).digest("hex");
    const output = path.join(root, "prisma/generated", name);
    if (!force && existsSync(output) && existsSync(stamp) && readFileSync(stamp, "utf8") === hash) continue;
    generate(schema);
    mkdirSync(path.dirname(stamp), { recursive: true });
    writeFileSync(stamp, hash);
  }
}

function prismaVersion() {
  return JSON.parse(readFileSync(path.join(root, "node_modules/prisma/package.json"), "utf8")).version;
}

function generate(schema) {
  const env = {
    ...process.env,
    PRISMA_SCHEMA_ENGINE_BINARY: "/bin/true",
    PRISMA_HIDE_UPDATE_MESSAGE: "1",
    CHECKPOINT_DISABLE: "1",
    DATABASE_URL: "postgres://unused@localhost/unused",
  };
  const prisma = path.join(root, "node_modules/prisma/build/index.js");
  const result = spawnSync(process.execPath, [prisma, "generate", `--schema=${schema}`, "--no-hints"], {
    cwd: root,
    env,
    encoding: "utf8",
  });
  if (result.status !== 0) fail(`Prisma could not generate its client from ${path.relative(root, schema)}:\n${result.stderr}`);
}
