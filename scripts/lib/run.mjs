/** Child processes and messages of the scripts. */
import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import path from "node:path";

/** The folder of the clone. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

/** A line for the person at the terminal. */
export function say(text) {
  process.stdout.write(`${text}\n`);
}

/** Ends the script with a message; nothing has been started yet. */
export function fail(text) {
  process.stderr.write(`\n${text}\n`);
  process.exit(1);
}

/** Runs a program to its end with our terminal; returns its exit code. A signal to us is passed on. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: "inherit", ...options });
    const forward = (signal) => child.kill(signal);
    process.on("SIGTERM", forward);
    process.on("SIGINT", forward);
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      process.off("SIGTERM", forward);
      process.off("SIGINT", forward);
      resolve(signal ? 1 : (code ?? 1));
    });
  });
}

/** Runs a JavaScript entry point of an installed package with this Node. */
export function runNode(file, args, options = {}) {
  return run(process.execPath, [path.join(root, file), ...args], options);
}

/** Whether a command ends with 0; never shows its output. */
export function succeeds(command, args) {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}
