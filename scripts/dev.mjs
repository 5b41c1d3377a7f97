/** `npm run dev`: rebuilds on every change and restarts the server on the same data directory. */
import path from "node:path";
import { rmSync } from "node:fs";
import { prepareServer } from "./lib/prepare.mjs";
import { root, runNode } from "./lib/run.mjs";

await prepareServer();
// A development bundle does not run in production: the next `npm start` has to build.
rmSync(path.join(root, "build/.sources"), { force: true });
const env = { ...process.env, NODE_ENV: "development", VITE_CJS_IGNORE_WARNING: "1" };
process.exitCode = await runNode("node_modules/@remix-run/dev/dist/cli.js", ["dev", "-c", "node build/server.js"], { env });
