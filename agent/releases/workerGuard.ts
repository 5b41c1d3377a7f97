/**
 * The process of a task ends with its run controller. Nobody reads what it writes any more, its run is given to another,
 * and the CLI's worker answers the broken pipe with one more line of output, for ever. The agent ends it where it lives;
 * where the agent died too, the process has to notice by itself.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";

/** Beside `index.json`. */
const FILE = "sluice-worker.mjs";

/** Writes the module that processes of tasks start with, and returns its path. `workerEntryPoint`: below `dir`. */
export function guardWorker(dir: string, workerEntryPoint: string): string {
  const file = path.join(dir, FILE);
  if (workerEntryPoint === file) return file;
  const worker = `./${path.relative(dir, workerEntryPoint).split(path.sep).join("/")}`;
  writeFileSync(file, moduleText(worker));
  return file;
}

/**
 * The group is the replica's own: the controller led it. Code that closes the channel itself has a controller that lives; a
 * dead one has left its children to another parent, a moment after its end of the channel was closed.
 */
function moduleText(worker: string): string {
  return [
    "// Written by the agent: a task does not outlive its run controller.",
    "const controller = process.ppid;",
    'const endWithController = () => process.ppid !== controller && process.kill(0, "SIGKILL");',
    'if (process.send) process.once("disconnect", () => setInterval(endWithController, 100).unref());',
    `await import(${JSON.stringify(worker)});`,
    "",
  ].join("\n");
}
