/** Prisma clients, generated when their schema changed. Needs no engine binary and no network. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fail, root, runNode } from "./run.mjs";

const SCHEMAS = ["control-plane", "run-ops"];

/** Generates what is missing or out of date; `force` generates all. A schema without a generator has no client. */
export async function generateClients({ force = false } = {}) {
  for (const name of SCHEMAS) {
    const schema = path.join(root, "prisma", name, "schema.prisma");
    if (!existsSync(schema)) continue;
    const text = readFileSync(schema, "utf8");
    if (!/^generator\s/m.test(text)) continue;
    const stamp = path.join(root, "prisma/generated", `.${name}`);
    const hash = createHash("sha256").update(text).update(prismaVersion()).digest("hex");
    const output = path.join(root, "prisma/generated", name);
    if (!force && existsSync(output) && existsSync(stamp) && readFileSync(stamp, "utf8") === hash) continue;
    await generate(schema);
    mkdirSync(path.dirname(stamp), { recursive: true });
    writeFileSync(stamp, hash);
  }
}

function prismaVersion() {
  return JSON.parse(readFileSync(path.join(root, "node_modules/prisma/package.json"), "utf8")).version;
}

async function generate(schema) {
  const env = {
    ...process.env,
    PRISMA_SCHEMA_ENGINE_BINARY: "/bin/true",
    PRISMA_HIDE_UPDATE_MESSAGE: "1",
    CHECKPOINT_DISABLE: "1",
    DATABASE_URL: "postgres://unused@localhost/unused",
  };
  const code = await runNode("node_modules/prisma/build/index.js", ["generate", `--schema=${schema}`, "--no-hints"], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (code !== 0) fail(`Prisma could not generate its client from ${path.relative(root, schema)}.`);
}
