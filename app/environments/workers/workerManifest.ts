/** What the CLI says about its tasks, turned into the rows that are stored. */
import type { CreateBackgroundWorkerRequestBody } from "@trigger.dev/core/v3/schemas";
import { AppError } from "../../utils/appError";
import { cronProblem, timezoneProblem } from "./cron";
import { toPostgresText } from "../postgresJson";
import type { TaskConfig } from "../types";

type Manifest = CreateBackgroundWorkerRequestBody["metadata"];
type TaskManifest = Manifest["tasks"][number];

export type QueueDeclaration = { name: string; type: "task" | "custom"; limit: number | null };

const MAX_TASKS = 5_000;
const MAX_QUEUES = 5_000;
const MAX_TASK_ID = 128;
const MAX_QUEUE_NAME = 250;
const MAX_LIMIT = 1_000_000;
const UNIT_SECONDS: Record<string, number> = { w: 604_800, d: 86_400, hr: 3_600, h: 3_600, m: 60, s: 1 };

/** Tasks as they are stored. Throws 400 for too many, a bad id or the same id twice. */
export function tasksOf(manifest: Manifest): TaskConfig[] {
  if (manifest.tasks.length > MAX_TASKS) {
    throw new AppError("too_many_tasks", 400, `A worker has at most ${MAX_TASKS} tasks, got ${manifest.tasks.length}.`);
  }
  const seen = new Set<string>();
  return manifest.tasks.map((task) => {
    checkName(task.id, "task id", MAX_TASK_ID);
    if (seen.has(task.id)) throw new AppError("duplicate_task", 400, `Two tasks have the id "${task.id}". Give each its own.`);
    seen.add(task.id);
    return taskOf(task);
  });
}

function taskOf(task: TaskManifest): TaskConfig {
  return {
    slug: task.id,
    filePath: toPostgresText(task.filePath, 1_024),
    exportName: task.exportName === undefined ? null : toPostgresText(task.exportName, 512),
    description: task.description ?? null,
    triggerSource: toPostgresText(task.triggerSource ?? "standard", 64),
    queue: queueNameOf(task),
    retry: task.retry ?? null,
    machine: task.machine?.preset ?? null,
    maxDuration: task.maxDuration ?? null,
    ttlSeconds: task.ttl === undefined ? null : ttlSeconds(task.ttl, task.id),
    payloadSchema: task.payloadSchema,
    ...(task.schedule ? { schedule: scheduleOf(task.schedule, task.id) } : {}),
  };
}

function scheduleOf(schedule: NonNullable<TaskManifest["schedule"]>, taskId: string): NonNullable<TaskConfig["schedule"]> {
  const { cron, timezone, environments } = schedule;
  const problem = cronProblem(cron) ?? timezoneProblem(timezone);
  if (problem === null) return { cron, timezone, ...(environments ? { environments: [...environments] } : {}) };
  throw new AppError("invalid_schedule", 400, `The schedule of task "${taskId}" cannot be used: ${problem}`);
}

/** A task without a queue of its own runs in `task/<id>`. */
function queueNameOf(task: TaskManifest): string {
  return task.queue?.name ?? `task/${task.id}`;
}

/** Seconds of `10m`, `1h30m` or a number of seconds. Throws 400 for anything else. */
function ttlSeconds(ttl: string | number, taskId: string): number {
  if (typeof ttl === "number") return ttl;
  const parts = [...ttl.matchAll(/(\d{1,9})(w|d|hr|h|m|s)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join("") !== ttl) {
    throw new AppError(
      "invalid_ttl",
      400,
      `The ttl "${ttl.slice(0, 40)}" of task ${taskId} is no duration. Write it like 10m, 1h30m or 60.`
    );
  }
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * (UNIT_SECONDS[unit ?? "s"] ?? 1), 0);
}

/** Every queue of the worker once: those declared, those of tasks, and `task/<id>` of each task. */
export function queuesOf(manifest: Manifest): QueueDeclaration[] {
  const queues = new Map<string, QueueDeclaration>();
  for (const task of manifest.tasks) add(queues, `task/${task.id}`, null);
  for (const task of manifest.tasks) add(queues, queueNameOf(task), limitOf(task.queue?.concurrencyLimit, queueNameOf(task)));
  for (const queue of manifest.queues ?? []) add(queues, queue.name, limitOf(queue.concurrencyLimit, queue.name));
  if (queues.size > MAX_QUEUES)
    throw new AppError("too_many_queues", 400, `A worker has at most ${MAX_QUEUES} queues, got ${queues.size}.`);
  return [...queues.values()];
}

/** The declaration that names a limit wins: a queue is also mentioned, without one, by the tasks that use it. */
function add(queues: Map<string, QueueDeclaration>, name: string, limit: number | null): void {
  const known = queues.get(name);
  if (known) {
    if (limit !== null) known.limit = limit;
    return;
  }
  checkName(name, "queue name", MAX_QUEUE_NAME);
  queues.set(name, { name, type: name.startsWith("task/") ? "task" : "custom", limit });
}

function limitOf(limit: number | null | undefined, queue: string): number | null {
  if (limit === undefined || limit === null) return null;
  if (Number.isInteger(limit) && limit >= 0 && limit <= MAX_LIMIT) return limit;
  throw new AppError(
    "invalid_limit",
    400,
    `The concurrency limit of queue "${queue}" is a whole number from 0 to ${MAX_LIMIT}, got ${limit}.`
  );
}

function checkName(name: string, what: string, maxLength: number): void {
  if (name.length > 0 && name.length <= maxLength && !name.includes("\u0000") && name.isWellFormed()) return;
  throw new AppError("invalid_name", 400, `"${toPostgresText(name, 60)}" is no usable ${what}: 1 to ${maxLength} characters, no NUL.`);
}

/** Tasks that declare limits which this server does not hold: they must not run unlimited in silence. */
export function tasksWithUnsupportedLimits(manifest: Manifest): string[] {
  return manifest.tasks.filter((task) => task.concurrency !== undefined || (task.gates?.length ?? 0) > 0).map((task) => task.id);
}
