/** `npm run faults [-- path]`: the long tests, which are not part of `npm test`: kills in every phase and under load, the CLI call by call, older CLIs, the demo. */
import path from "node:path";
import { ensureBuild } from "./lib/build.mjs";
import { generateClients } from "./lib/generate.mjs";
import { ensurePackages, requireNode } from "./lib/packages.mjs";
import { ensureRedis } from "./lib/programs.mjs";
import { reportCounts } from "./lib/report.mjs";
import { root } from "./lib/run.mjs";
import { runVitest } from "./lib/vitest.mjs";

requireNode();
process.chdir(root);
await ensureRedis();
await ensurePackages();
await generateClients();
await ensureBuild();
await ensurePackages(path.join(root, "test/e2e/client"));
reportCounts(await runVitest("vitest.faults.config.ts", process.argv.slice(2)));
