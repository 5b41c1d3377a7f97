/** `npm run bench [-- options]`: the production build, measured; `bench/README.md` explains the table. */
import { ensureBuild } from "./lib/build.mjs";
import { generateClients } from "./lib/generate.mjs";
import { ensurePackages, requireNode } from "./lib/packages.mjs";
import { ensureRedis } from "./lib/programs.mjs";
import { run, root } from "./lib/run.mjs";

requireNode();
process.chdir(root);
await ensureRedis();
await ensurePackages();
generateClients();
await ensureBuild();
process.exitCode = await run(process.execPath, ["--import", "tsx", "bench/index.ts", ...process.argv.slice(2)]);
