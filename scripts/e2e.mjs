/** `npm run e2e [-- path]`: the end-to-end tests alone. */
import { runEndToEnd } from "./lib/e2e.mjs";
import { generateClients } from "./lib/generate.mjs";
import { ensurePackages, requireNode } from "./lib/packages.mjs";
import { ensureRedis } from "./lib/programs.mjs";
import { reportCounts } from "./lib/report.mjs";
import { root } from "./lib/run.mjs";

requireNode();
process.chdir(root);
await ensureRedis();
await ensurePackages();
generateClients();
reportCounts(await runEndToEnd(process.argv.slice(2)));
