/** The parts of a trigger that need no database: queue, times, tags, payload, metadata. All throw AppError 4xx. */
import type { EnvironmentView, TaskConfig, WorkerVersion } from "../../environments/types";
import { AppError } from "../../utils/appError";
import { formatSeconds, parseDurationMs, resolveTtlSeconds } from "./durations";
import type { TriggerOptions } from "./triggerBody";
import { MAX_NAME_LENGTH, MAX_PAYLOAD_BYTES, MAX_TAGS, MAX_TAG_LENGTH, type RunsLimits } from "../types";

const NOT_IN_QUEUE_NAMES = /[^a-zA-Z0-9_/-]/g;
const DEFAULT_IDEMPOTENCY_TTL_MS = 30 * 86_400_000;
/** A UTF-16 unit takes three bytes at most, so shorter texts need no counting. */
const MAX_BYTES_PER_UNIT = 3;

/** Task ids come from the path; they are names, not patterns, and may hold `/`. */
export function checkTaskId(task: string): void {
  if (task.length === 0 || task.length > MAX_NAME_LENGTH || task.includes("\0")) {
    throw new AppError("invalid_task_id", 400, `Invalid task id: it must have 1 to ${MAX_NAME_LENGTH} characters and no NUL.`);
  }
}

/** A queue name as it is stored: other characters are dropped, the rest is cut to 128. */
export function cleanQueueName(name: string): string {
  const clean = name.replace(NOT_IN_QUEUE_NAMES, "").slice(0, MAX_NAME_LENGTH);
  if (clean === "") throw new AppError("invalid_queue", 400, `Invalid queue name "${name}". Use letters, digits, "_", "-" and "/".`);
  return clean;
}

/** Explicit name, else the task's queue on the version it will run on, else `task/<id>`. A locked version must have it. */
export function resolveQueue(options: TriggerOptions, task: string, config: TaskConfig | undefined, locked: WorkerVersion | null): string {
  if (options.queue) {
    const name = cleanQueueName(options.queue.name);
    if (locked && !locked.queues.has(name)) {
      throw new AppError("unknown_queue", 422, `Version ${locked.version} has no queue "${name}". Name a queue of that version.`);
    }
    return name;
  }
  return config?.queue ?? cleanQueueName(`task/${task}`);
}

/** Seconds and display text of the time to live; undefined: for ever. */
export type Ttl = { seconds: number; text: string } | undefined;

/** Option, then task, then the default of dev environments; 0 anywhere turns it off. */
export function resolveTtl(option: string | number | undefined, config: TaskConfig | undefined, devDefaultSeconds: number): Ttl {
  if (option !== undefined) {
    const seconds = resolveTtlSeconds(option);
    if (seconds === 0) return undefined;
    return { seconds, text: typeof option === "string" && !/^\d+$/.test(option) ? option : formatSeconds(seconds) };
  }
  const seconds = config?.ttlSeconds ?? devDefaultSeconds;
  return seconds > 0 ? { seconds, text: formatSeconds(seconds) } : undefined;
}

/** The default time to live of an environment, in seconds; 0: for ever. */
export function defaultTtlSeconds(env: EnvironmentView, limits: Pick<RunsLimits, "devDefaultTtlSeconds">): number {
  return env.type === "DEVELOPMENT" ? limits.devDefaultTtlSeconds : 0;
}

const NO_TAGS: string[] = [];

/** Tags without repeats, in order. More than 10: 422; an empty or over-long one: 422. */
export function resolveTags(tags: string | readonly string[] | undefined): string[] {
  if (tags === undefined) return NO_TAGS;
  const list = typeof tags === "string" ? [tags] : [...new Set(tags)];
  if (list.length > MAX_TAGS) {
    throw new AppError("too_many_tags", 422, `A run can have ${MAX_TAGS} tags, not ${list.length}. Send fewer tags.`);
  }
  for (const tag of list) {
    if (tag.length === 0 || tag.length > MAX_TAG_LENGTH) {
      throw new AppError("invalid_tag", 422, `Invalid tag: tags have 1 to ${MAX_TAG_LENGTH} characters, this one has ${tag.length}.`);
    }
  }
  return list;
}

export type Packet = { data: string | null; type: string };

/** The payload as it is stored: strings with a type verbatim, anything else as JSON text. Over 3 MB: 413. */
export function resolvePayload(payload: unknown, payloadType: string | undefined): Packet {
  const packet = encodePayload(payload, payloadType);
  if (packet.data !== null) checkPayload(packet.data);
  return packet;
}

function encodePayload(payload: unknown, payloadType: string | undefined): Packet {
  const type = payloadType ?? "application/json";
  if (payload === undefined) return { data: null, type };
  if (type === "application/store" && (typeof payload !== "string" || payload === "")) {
    throw new AppError("invalid_body", 400, "Invalid body: payload: must be the packet's path when payloadType is application/store");
  }
  if (typeof payload === "string" && payloadType !== undefined && !(payloadType === "application/json" && !isJson(payload))) {
    return { data: payload, type };
  }
  if (type === "text/plain")
    throw new AppError("invalid_body", 400, "Invalid body: payload: must be a string when payloadType is text/plain");
  return { data: JSON.stringify(payload), type };
}

function checkPayload(data: string): void {
  if (data.includes("\0")) {
    throw new AppError(
      "invalid_body",
      400,
      "Invalid body: payload: must not contain NUL characters. Encode binary data, for example as base64."
    );
  }
  if (data.length * MAX_BYTES_PER_UNIT > MAX_PAYLOAD_BYTES && Buffer.byteLength(data) > MAX_PAYLOAD_BYTES) {
    throw new AppError(
      "payload_too_large",
      413,
      `The payload is larger than 3 MB (${MAX_PAYLOAD_BYTES} bytes). Send less, or upload it as a packet and pass its path.`
    );
  }
}

/** A bare string that claims to be JSON text but is not is a JSON value that its caller forgot to encode. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The idempotency claim, or null without a key. The default TTL is 30 days; none outlives the run it points at. */
export function resolveIdempotency(
  key: string | undefined,
  ttl: string | undefined,
  nowMs: number,
  runRetentionMs: number
): { key: string; expiresAt: Date } | null {
  if (!key) return null;
  const ttlMs = ttl === undefined ? DEFAULT_IDEMPOTENCY_TTL_MS : parseDurationMs(ttl);
  if (ttlMs === null || ttlMs <= 0) {
    throw new AppError("invalid_idempotency_key_ttl", 400, `Invalid idempotencyKeyTTL "${ttl}". Use a duration such as 60s, 5m, 1h, 7d.`);
  }
  return { key, expiresAt: new Date(nowMs + Math.min(ttlMs, runRetentionMs)) };
}

/** Features of later releases are refused by name: a wait that is ignored would hang its caller. */
export function refuseUnsupported(options: TriggerOptions): void {
  if (options.resumeParentOnCompletion) throw unsupported("triggerAndWait", "Use trigger() and poll the run.");
  if (options.debounce !== undefined) throw unsupported("debounce", "Trigger without the debounce option.");
  if (options.concurrency?.length) throw unsupported("concurrency (named concurrency limits)", "Use a queue with a concurrency limit.");
  if (options.gates?.length) throw unsupported("gates", "Use a queue with a concurrency limit.");
}

function unsupported(feature: string, next: string): AppError {
  return new AppError("unsupported_feature", 422, `This server does not support ${feature} yet. ${next}`, { "x-should-retry": "false" });
}
