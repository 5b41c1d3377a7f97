/** Real processes: a controller that leads a group, the task that it forked, and what the task started. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { startTimeOf } from "../replicas/proc";
import { eventually } from "../testing/fixture";
import { guardController, guardWorker } from "./guards";

const CONTROLLER = `
import { fork } from "node:child_process";
const task = fork(process.argv[2], [], { stdio: ["ignore", "pipe", "pipe", "ipc"] });
task.on("message", (pids) => process.stdout.write(JSON.stringify(pids)));
task.stdout.resume();
`;
const WORKER = `
import { spawn } from "node:child_process";
process.on("uncaughtException", (error) => console.error(error));
const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
process.send([process.pid, child.pid]);
setInterval(() => console.log("still here"), 5);
`;

let dir: string;
let pids: number[];
beforeEach(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), "sluice-guard-"));
  pids = [];
  writeFileSync(path.join(dir, "controller.mjs"), CONTROLLER);
  writeFileSync(path.join(dir, "worker.mjs"), WORKER);
});
afterEach(() => {
  for (const pid of pids) if (startTimeOf(pid) !== null) process.kill(pid, "SIGKILL");
  rmSync(dir, { recursive: true, force: true });
});

/** A controller that was killed, once its task and the task's child run. */
async function killController(worker: string): Promise<void> {
  const controller = spawn(process.execPath, [path.join(dir, "controller.mjs"), worker], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  controller.stdout.once("data", (text: Buffer) => (pids = JSON.parse(text.toString()) as number[]));
  await eventually("the task", () => pids.length === 2);
  controller.kill("SIGKILL");
  await new Promise((resolve) => controller.once("exit", resolve));
}

it("a task whose controller was killed ends, with what it started, though no agent lives", async () => {
  await killController(guardWorker(dir, path.join(dir, "worker.mjs")));
  await eventually("the end of both", () => pids.every((pid) => startTimeOf(pid) === null), 5_000);
});

it("a task that closes its channel goes on beside its controller", async () => {
  writeFileSync(path.join(dir, "worker.mjs"), `${WORKER}setTimeout(() => process.disconnect(), 50);`);
  const controller = spawn(process.execPath, [path.join(dir, "controller.mjs"), guardWorker(dir, path.join(dir, "worker.mjs"))], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  controller.stdout.once("data", (text: Buffer) => (pids = JSON.parse(text.toString()) as number[]));
  await eventually("the task", () => pids.length === 2);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(pids.map((pid) => startTimeOf(pid) !== null)).toEqual([true, true]);
  pids.push(controller.pid ?? 0);
});

it("a controller stays while its agent answers, and ends with its task when nobody has for long", async () => {
  const agent = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(agent, "listening");
  const env = { ...process.env, TRIGGER_SUPERVISOR_API_PORT: String((agent.address() as AddressInfo).port) };
  const entry = guardController(dir, path.join(dir, "controller.mjs"), { everyMs: 50, awayMs: 300 });
  const controller = spawn(process.execPath, [entry, path.join(dir, "worker.mjs")], {
    ...{ detached: true, env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  controller.stdout.once("data", (text: Buffer) => (pids = JSON.parse(text.toString()) as number[]));
  await eventually("the task", () => pids.length === 2);
  pids.push(controller.pid ?? 0);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(pids.map((pid) => startTimeOf(pid) !== null)).toEqual([true, true, true]);
  agent.close();
  await eventually("the end of all", () => pids.every((pid) => startTimeOf(pid) === null), 5_000);
});

it("guards once, however often a release is relocated", () => {
  const worker = guardWorker(dir, path.join(dir, "worker.mjs"));
  expect(guardWorker(dir, worker)).toBe(worker);
  const controller = guardController(dir, path.join(dir, "controller.mjs"));
  expect(guardController(dir, controller)).toBe(controller);
});
