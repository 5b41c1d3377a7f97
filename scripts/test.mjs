/** `npm test`: unit, integration and end-to-end tests, after installing what they need. Arguments choose unit tests by path. */
import path from "node:path";
import { runEndToEnd } from "./lib/e2e.mjs";
import { generateClients } from "./lib/generate.mjs";
import { ensurePackages, requireNode } from "./lib/packages.mjs";
import { ensureRedis } from "./lib/programs.mjs";
import { reportCounts } from "./lib/report.mjs";
import { root } from "./lib/run.mjs";
import { addCounts, runVitest } from "./lib/vitest.mjs";

requireNode();
process.chdir(root);
await ensureRedis();
await ensurePackages();
generateClients();
// The agent's tests build what the real CLI has bundled.
await ensurePackages(path.join(root, "test/e2e/client"));
const paths = process.argv.slice(2);
const units = await runVitest("vitest.config.ts", paths);
reportCounts(paths.length > 0 ? units : addCounts(units, await runEndToEnd()));
