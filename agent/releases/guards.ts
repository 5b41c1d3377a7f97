/**
 * No process of a replica outlives what makes it useful. A run controller ends when its agent is gone for good; the
 * process of a task ends with its run controller: nobody reads what it writes any more, its run is given to another, and
 * the CLI's worker answers the broken pipe with one more line of output, for ever. An agent that lives ends them itself;
 * where it died too, they have to notice.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";

export type ControllerLimits = {
  /** How often the agent's port is tried; milliseconds. */
  everyMs: number;
  /** Above this without an answer the replica ends; milliseconds. */
  awayMs: number;
};

/** Beside `index.json`. */
const CONTROLLER_FILE = "sluice-controller.mjs";
const WORKER_FILE = "sluice-worker.mjs";
/** The server has given the runs of an agent to others after its first silent minutes; an agent that is upgraded is back sooner. */
const LIMITS: ControllerLimits = { everyMs: 60_000, awayMs: 10 * 60_000 };

/** Writes the module that run controllers start with, and returns its path. `entryPoint`: below `dir`. */
export function guardController(dir: string, entryPoint: string, limits = LIMITS): string {
  return write(dir, { name: CONTROLLER_FILE, entryPoint, guard: controllerGuard(limits) });
}

/** Writes the module that processes of tasks start with, and returns its path. `entryPoint`: below `dir`. */
export function guardWorker(dir: string, entryPoint: string): string {
  return write(dir, { name: WORKER_FILE, entryPoint, guard: WORKER_GUARD });
}

function write(dir: string, { name, entryPoint, guard }: { name: string; entryPoint: string; guard: string[] }): string {
  const file = path.join(dir, name);
  if (entryPoint === file) return file;
  const entry = `./${path.relative(dir, entryPoint).split(path.sep).join("/")}`;
  writeFileSync(file, [...guard, `await import(${JSON.stringify(entry)});`, ""].join("\n"));
  return file;
}

/** The port is the same after a restart of the agent. The group is the replica's own: the controller leads it. */
function controllerGuard({ everyMs, awayMs }: ControllerLimits): string[] {
  return [
    "// Written by the agent: a run controller does not outlive its agent for long.",
    'import { connect } from "node:net";',
    "let heardAt = Date.now();",
    "setInterval(() => {",
    '  const socket = connect(Number(process.env.TRIGGER_SUPERVISOR_API_PORT), "127.0.0.1").unref();',
    '  socket.once("connect", () => { heardAt = Date.now(); socket.destroy(); });',
    `  socket.once("error", () => Date.now() - heardAt > ${awayMs} && process.kill(0, "SIGKILL"));`,
    `}, ${everyMs}).unref();`,
  ];
}

/**
 * The group is the replica's own: the controller led it. Code that closes the channel itself has a controller that lives; a
 * dead one has left its children to another parent, a moment after its end of the channel was closed.
 */
const WORKER_GUARD = [
  "// Written by the agent: a task does not outlive its run controller.",
  "const controller = process.ppid;",
  'const endWithController = () => process.ppid !== controller && process.kill(0, "SIGKILL");',
  'if (process.send) process.once("disconnect", () => setInterval(endWithController, 100).unref());',
];
