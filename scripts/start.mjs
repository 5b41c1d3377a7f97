/** `npm start`: installs what is missing, builds when sources changed, then becomes the server. */
import path from "node:path";
import { pathToFileURL } from "node:url";
import { ensureBuild } from "./lib/build.mjs";
import { generateClients } from "./lib/generate.mjs";
import { refuseWhenRunning } from "./lib/lock.mjs";
import { ensurePackages, requireNode } from "./lib/packages.mjs";
import { ensureRedis } from "./lib/programs.mjs";
import { root } from "./lib/run.mjs";

requireNode();
process.chdir(root);
refuseWhenRunning(path.resolve(process.env.SLUICE_DATA_DIR || ".sluice"));
if (!process.env.REDIS_URL) await ensureRedis();
await ensurePackages();
generateClients();
await ensureBuild();
process.env.NODE_ENV ||= "production";
await import(pathToFileURL(path.join(root, "build/server.js")).href);
