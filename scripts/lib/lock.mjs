/** An early look at the server's pid file, so that a second `npm start` neither builds nor installs under a running server. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fail } from "./run.mjs";

/** Ends the script when a server runs on `dataDir`. The server itself takes the lock atomically. */
export function refuseWhenRunning(dataDir) {
  const file = path.join(dataDir, "server.pid");
  if (!existsSync(file)) return;
  const owner = parse(readFileSync(file, "utf8"));
  if (!owner || owner.stamp !== stampOf(owner.pid) || !isAlive(owner.pid)) return;
  fail(
    `Sluice is already running on ${dataDir} (pid ${owner.pid}). Stop it first (kill ${owner.pid}), or choose another folder with SLUICE_DATA_DIR.`
  );
}

function parse(text) {
  try {
    const owner = JSON.parse(text);
    return Number.isInteger(owner.pid) ? owner : null;
  } catch {
    return null;
  }
}

/** The start time of the process in /proc, or "" where there is none: as the server writes it. */
function stampOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : fields[19];
  } catch {
    return "";
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
