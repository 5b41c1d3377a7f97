/** `npm run bench [-- runs|deployments] [--quick]`: the production build, measured; `bench/README.md` explains the tables. */
import path from "node:path";
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
const args = process.argv.slice(2);
// The part of deployments deploys the example with its own CLI.
if (!args.includes("runs") || args.includes("deployments")) await ensurePackages(path.join(root, "examples/hello-world"));
process.exitCode = await run(process.execPath, ["--import", "tsx", "bench/index.ts", ...args]);
