import { describe, expect, test } from "vitest";
import type { TaskConfig, WorkerVersion } from "../../environments/types";
import { AppError } from "../../utils/appError";
import {
  checkTaskId,
  cleanQueueName,
  refuseUnsupported,
  resolveIdempotency,
  resolvePayload,
  resolveQueue,
  resolveTags,
  resolveTtl,
} from "./resolveTrigger";
import { TriggerBody } from "./triggerBody";

const NOW = Date.parse("2026-11-21T10:00:00Z");
const DAY_MS = 86_400_000;

function config(over: Partial<TaskConfig>): TaskConfig {
  return {
    slug: "send-email",
    filePath: "src/trigger/email.ts",
    exportName: null,
    description: null,
    triggerSource: "standard",
    queue: "task/send-email",
    retry: null,
    machine: null,
    maxDuration: null,
    ttlSeconds: null,
    payloadSchema: null,
    ...over,
  };
}

function statusOf(work: () => unknown): number | "passed" {
  try {
    work();
    return "passed";
  } catch (error) {
    if (error instanceof AppError) return error.status;
    throw error;
  }
}

describe("queues", () => {
  test("the explicit name wins over the task's, which wins over the implicit one", () => {
    expect(resolveQueue({ queue: { name: "slow" } }, "send-email", config({ queue: "mail" }), null)).toBe("slow");
    expect(resolveQueue({}, "send-email", config({ queue: "mail" }), null)).toBe("mail");
    expect(resolveQueue({}, "send-email", undefined, null)).toBe("task/send-email");
  });

  test("names keep letters, digits, _, - and /, and 128 characters", () => {
    expect(cleanQueueName("a b.c:d/e_f-9é")).toBe("abcd/e_f-9");
    expect(cleanQueueName("x".repeat(300))).toHaveLength(128);
    expect(statusOf(() => cleanQueueName("é!?"))).toBe(400);
  });

  test("a locked version must have the named queue", () => {
    const locked = { version: "20261121.1", queues: new Set(["mail"]) } as unknown as WorkerVersion;
    expect(resolveQueue({ queue: { name: "mail" } }, "send-email", undefined, locked)).toBe("mail");
    expect(statusOf(() => resolveQueue({ queue: { name: "fast" } }, "send-email", undefined, locked))).toBe(422);
  });
});

describe("time to live", () => {
  test("the option wins over the task's, which wins over the dev default of ten minutes", () => {
    expect(resolveTtl("1h", config({ ttlSeconds: 30 }), 600)).toEqual({ seconds: 3_600, text: "1h" });
    expect(resolveTtl(90, undefined, 600)).toEqual({ seconds: 90, text: "1m30s" });
    expect(resolveTtl(undefined, config({ ttlSeconds: 30 }), 600)).toEqual({ seconds: 30, text: "30s" });
    expect(resolveTtl(undefined, config({}), 600)).toEqual({ seconds: 600, text: "10m" });
    expect(resolveTtl(undefined, undefined, 0)).toBeUndefined();
  });

  test("0 opts out wherever it stands", () => {
    expect(resolveTtl(0, config({ ttlSeconds: 30 }), 600)).toBeUndefined();
    expect(resolveTtl("0", undefined, 600)).toBeUndefined();
    expect(resolveTtl(undefined, config({ ttlSeconds: 0 }), 600)).toBeUndefined();
  });
});

describe("tags", () => {
  test("one or several, without repeats", () => {
    expect(resolveTags("user:1")).toEqual(["user:1"]);
    expect(resolveTags(["b", "a", "b"])).toEqual(["b", "a"]);
    expect(resolveTags(undefined)).toEqual([]);
  });

  test("eleven, an empty one or 129 characters are refused; ten of 128 are not", () => {
    const tags = (count: number, length: number) => Array.from({ length: count }, (_, i) => String(i).padEnd(length, "x"));
    expect(statusOf(() => resolveTags(tags(11, 3)))).toBe(422);
    expect(statusOf(() => resolveTags([""]))).toBe(422);
    expect(statusOf(() => resolveTags(["x".repeat(129)]))).toBe(422);
    expect(resolveTags(tags(10, 128))).toHaveLength(10);
  });
});

describe("payloads", () => {
  test("typed strings stay as they came; anything else becomes JSON text", () => {
    const superJson = '{"json":{"at":"2026-11-21"},"meta":{"values":{"at":["Date"]}}}';
    expect(resolvePayload(superJson, "application/super+json")).toEqual({ data: superJson, type: "application/super+json" });
    expect(resolvePayload("plain", "text/plain")).toEqual({ data: "plain", type: "text/plain" });
    expect(resolvePayload({ n: 1 }, undefined)).toEqual({ data: '{"n":1}', type: "application/json" });
    expect(resolvePayload("plain", undefined)).toEqual({ data: '"plain"', type: "application/json" });
    expect(resolvePayload(undefined, "application/json")).toEqual({ data: null, type: "application/json" });
    expect(resolvePayload("packets/one.json", "application/store")).toEqual({ data: "packets/one.json", type: "application/store" });
  });

  test("a bare string that claims to be JSON is encoded, JSON text is kept", () => {
    expect(resolvePayload("hello", "application/json").data).toBe('"hello"');
    expect(resolvePayload('{"n":1}', "application/json").data).toBe('{"n":1}');
  });

  test("3 MB pass and one byte more is a 413, counted in bytes", () => {
    const megabytes = 3 * 1024 * 1024;
    expect(resolvePayload("x".repeat(megabytes), "text/plain").data).toHaveLength(megabytes);
    expect(statusOf(() => resolvePayload("x".repeat(megabytes + 1), "text/plain"))).toBe(413);
    expect(statusOf(() => resolvePayload("é".repeat(megabytes / 2 + 1), "text/plain"))).toBe(413);
  });

  test("NUL characters and packets without a path are refused", () => {
    expect(statusOf(() => resolvePayload("a\0b", "text/plain"))).toBe(400);
    expect(statusOf(() => resolvePayload({ n: 1 }, "text/plain"))).toBe(400);
    expect(statusOf(() => resolvePayload("", "application/store"))).toBe(400);
    expect(resolvePayload({ text: "a\0b" }, undefined).data).toBe('{"text":"a\\u0000b"}');
  });
});

describe("idempotency", () => {
  test("30 days by default, never longer than the run is kept", () => {
    expect(resolveIdempotency("k", undefined, NOW, 90 * DAY_MS)?.expiresAt.getTime()).toBe(NOW + 30 * DAY_MS);
    expect(resolveIdempotency("k", "5m", NOW, 90 * DAY_MS)?.expiresAt.getTime()).toBe(NOW + 300_000);
    expect(resolveIdempotency("k", "100d", NOW, 14 * DAY_MS)?.expiresAt.getTime()).toBe(NOW + 14 * DAY_MS);
    expect(resolveIdempotency(undefined, "5m", NOW, DAY_MS)).toBeNull();
    expect(resolveIdempotency("", undefined, NOW, DAY_MS)).toBeNull();
    expect(statusOf(() => resolveIdempotency("k", "later", NOW, DAY_MS))).toBe(400);
    expect(statusOf(() => resolveIdempotency("k", "0s", NOW, DAY_MS))).toBe(400);
  });
});

describe("features of later releases", () => {
  test("each is refused by name, and not retried", () => {
    const refusal = (options: Parameters<typeof refuseUnsupported>[0]) => {
      try {
        refuseUnsupported(options);
      } catch (error) {
        if (error instanceof AppError) return `${error.status} ${error.headers["x-should-retry"]} ${error.message}`;
      }
      return "passed";
    };
    expect(refusal({ resumeParentOnCompletion: true, parentRunId: "run_x" })).toMatch(/^422 false .*triggerAndWait/);
    expect(refusal({ debounce: { key: "k", delay: "5s" } })).toMatch(/^422 false .*debounce/);
    expect(refusal({ concurrency: ["limit"] })).toMatch(/^422 false .*concurrency/);
    expect(refusal({ gates: [{ queue: "q" }] })).toMatch(/^422 false .*gates/);
    expect(refusal({ externalDeploymentId: "sha", resumeParentOnCompletion: false, concurrency: [], gates: [] })).toBe("passed");
  });
});

describe("the body", () => {
  const problem = (body: unknown) => TriggerBody.safeParse(body).error?.issues[0]?.path.join(".");

  test("unknown fields are tolerated, wrong types are named", () => {
    expect(problem({ payload: 1, extra: true, options: { madeUp: 1, payloadSize: 17 } })).toBeUndefined();
    expect(problem({})).toBeUndefined();
    expect(problem([])).toBe("");
    expect(problem(undefined)).toBe("");
    expect(problem({ options: "x" })).toBe("options");
    expect(problem({ options: { queue: "slow" } })).toBe("options.queue");
    expect(problem({ options: { maxAttempts: "3" } })).toBe("options.maxAttempts");
    expect(problem({ options: { maxAttempts: 0 } })).toBe("options.maxAttempts");
    expect(problem({ options: { priority: "high" } })).toBe("options.priority");
    expect(problem({ options: { machine: "huge" } })).toBe("options.machine");
    expect(problem({ options: { test: "yes" } })).toBe("options.test");
    expect(problem({ options: { ttl: -1 } })).toBe("options.ttl");
    expect(problem({ options: { tags: { a: 1 } } })).toBe("options.tags");
    expect(problem({ options: { idempotencyKey: "k".repeat(2_049) } })).toBe("options.idempotencyKey");
    expect(problem({ options: { concurrencyKey: "k".repeat(129) } })).toBe("options.concurrencyKey");
    expect(problem({ options: { queue: { name: "a\0b" } } })).toBe("options.queue.name");
    expect(problem({ options: { tags: ["a\0b"] } })).toBe("options.tags.0");
  });

  test("a numeric concurrency key is its text", () => {
    expect(TriggerBody.parse({ options: { concurrencyKey: 42 } }).options?.concurrencyKey).toBe("42");
  });

  test("task ids have 1 to 128 characters and no NUL", () => {
    for (const id of ["", "x".repeat(129), "a\0b"]) expect(statusOf(() => checkTaskId(id))).toBe(400);
    for (const id of ["a", "folder/task", "__proto__", "x".repeat(128)]) expect(statusOf(() => checkTaskId(id))).toBe("passed");
  });
});
