/** npm packages: installed when missing or when the lock file changed. Uses nothing that has to be installed. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fail, root, run, say } from "./run.mjs";

const OLDEST_NODE = [20, 19];

/** Ends the script on a Node that is too old. */
export function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  fail(
    `Sluice needs Node ${OLDEST_NODE.join(".")} or newer; this is ${process.versions.node}. Install it from nodejs.org, or with your version manager.`
  );
}

/** `npm ci` in `folder` unless what is installed belongs to its lock file. Also with NODE_ENV=production: the build needs all of them. */
export async function ensurePackages(folder = root) {
  const lock = path.join(folder, "package-lock.json");
  const stamp = path.join(folder, "node_modules/.sluice-lock");
  const hash = createHash("sha256").update(readFileSync(lock)).digest("hex");
  if (isInstalled(folder, lock, stamp, hash)) return;
  say(`Installing npm packages${folder === root ? "" : ` in ${path.relative(root, folder)}`} (a minute or two the first time) ...`);
  const code = await run("npm", ["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder });
  if (code !== 0) fail("npm ci failed; its output above says why. When the registry could not be reached, try again.");
  writeFileSync(stamp, hash);
}

/** Without a stamp (somebody ran npm themselves) npm's own record must be newer than the lock file. */
function isInstalled(folder, lock, stamp, hash) {
  if (existsSync(stamp)) return readFileSync(stamp, "utf8") === hash || npmRanAfter(folder, lock);
  return npmRanAfter(folder, lock);
}

function npmRanAfter(folder, lock) {
  const record = path.join(folder, "node_modules/.package-lock.json");
  return existsSync(record) && statSync(record).mtimeMs >= statSync(lock).mtimeMs;
}
