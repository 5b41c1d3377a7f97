/** What the server needs before it can be built or started. */
import path from "node:path";
import { generateClients } from "./generate.mjs";
import { refuseWhenRunning } from "./lock.mjs";
import { ensurePackages, requireNode } from "./packages.mjs";
import { ensureRedis } from "./programs.mjs";
import { root } from "./run.mjs";

/** Ends the script when this Node is too old, or when a server runs already on the data directory. */
export async function prepareServer() {
  requireNode();
  process.chdir(root);
  refuseWhenRunning(path.resolve(process.env.SLUICE_DATA_DIR || ".sluice"));
  if (!process.env.REDIS_URL) await ensureRedis();
  await ensurePackages();
  generateClients();
}
