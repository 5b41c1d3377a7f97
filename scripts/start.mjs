/** `npm start`: installs what is missing, builds when sources changed, then becomes the server. */
import path from "node:path";
import { pathToFileURL } from "node:url";
import { ensureBuild } from "./lib/build.mjs";
import { prepareServer } from "./lib/prepare.mjs";
import { root } from "./lib/run.mjs";

await prepareServer();
await ensureBuild();
process.env.NODE_ENV ||= "production";
await import(pathToFileURL(path.join(root, "build/server.js")).href);
