import { RetrieveRunResponse, TaskRunExecutionResult } from "@trigger.dev/core/v3/schemas";
import { describe, expect, test } from "vitest";
import { plainHeader } from "../../../test/plainRun";
import type { EnvironmentView } from "../../environments/types";
import { isFinal, RUN_STATUS_NAMES, type RunStatus } from "../../runops/runStates";
import type { RunDetail, RunListItem, RunResult } from "../../runops/runStore";
import { presentRun, shownStatus, statusFlags } from "./presentRun.server";
import { RetrieveRunPresenter } from "./retrieveRun.server";
import { presentError, storedError } from "./runError.server";
import { presentResult } from "./runResult.server";

const ID = "c1b2f3a4d5000000000000001";
const PARENT = "c1b2f3a4d4000000000000002";
const ROOT = "c1b2f3a4d3000000000000003";
const AT = new Date("2026-11-21T10:00:00Z");
const env = { id: "c0000000000000000000000e1", type: "DEVELOPMENT", slug: "dev" } as EnvironmentView;

function item(over: Partial<RunListItem> = {}, header: Partial<RunListItem["header"]> = {}): RunListItem {
  return {
    header: {
      ...plainHeader(AT.getTime()),
      id: ID,
      createdAt: AT,
      envId: env.id,
      task: "child",
      payloadType: "application/super+json",
      tags: ["a"],
      ...header,
    },
    status: "PENDING",
    state: "QUEUED",
    seq: 1,
    attempt: 0,
    versionId: null,
    machine: null,
    dueAt: null,
    queuedAt: AT,
    startedAt: null,
    executedAt: null,
    updatedAt: AT,
    usageMs: 0,
    costInCents: 0,
    reason: null,
    metadata: null,
    metadataType: "application/json",
    metadataVersion: 0,
    completedAt: null,
    error: null,
    ...over,
  };
}

function result(over: Partial<RunResult>): RunResult {
  return {
    id: ID,
    envId: env.id,
    task: "child",
    status: "COMPLETED_SUCCESSFULLY",
    completedAt: AT,
    queuedAt: AT,
    startedAt: AT,
    executedAt: AT,
    attempts: 1,
    usageMs: 40,
    costInCents: 0,
    versionId: null,
    machine: null,
    output: null,
    outputType: "application/json",
    error: null,
    metadata: null,
    metadataType: "application/json",
    metadataVersion: 0,
    attemptSeq: 3,
    finalSeq: 4,
    updatedAt: AT,
    ...over,
  };
}

describe("statuses (test 13)", () => {
  const expected: Record<RunStatus, [current: string, old: string]> = {
    DELAYED: ["DELAYED", "DELAYED"],
    PENDING: ["QUEUED", "QUEUED"],
    PENDING_VERSION: ["PENDING_VERSION", "PENDING_VERSION"],
    DEQUEUED: ["DEQUEUED", "EXECUTING"],
    EXECUTING: ["EXECUTING", "EXECUTING"],
    RETRYING_AFTER_FAILURE: ["EXECUTING", "REATTEMPTING"],
    WAITING_TO_RESUME: ["WAITING", "FROZEN"],
    COMPLETED_SUCCESSFULLY: ["COMPLETED", "COMPLETED"],
    COMPLETED_WITH_ERRORS: ["FAILED", "FAILED"],
    CANCELED: ["CANCELED", "CANCELED"],
    CRASHED: ["CRASHED", "CRASHED"],
    SYSTEM_FAILURE: ["SYSTEM_FAILURE", "SYSTEM_FAILURE"],
    EXPIRED: ["EXPIRED", "EXPIRED"],
    TIMED_OUT: ["TIMED_OUT", "TIMED_OUT"],
  };

  test.each(RUN_STATUS_NAMES)("%s in both vocabularies", (status) => {
    expect([shownStatus(status, "current"), shownStatus(status, "old")]).toEqual(expected[status]);
  });

  test.each(RUN_STATUS_NAMES)("%s has consistent booleans", (status) => {
    const flags = statusFlags(status);
    expect(flags.isCompleted).toBe(isFinal(status));
    expect([flags.isQueued, flags.isExecuting, flags.isWaiting, flags.isCompleted].filter(Boolean)).toHaveLength(1);
    expect([flags.isSuccess, flags.isFailed, flags.isCancelled].filter(Boolean)).toHaveLength(isFinal(status) ? 1 : 0);
  });
});

describe("the run object", () => {
  const directory = { workerVersion: async () => null };

  test("leaves absent fields out and shows the user's own idempotency key", async () => {
    const run = await presentRun(
      item({}, { idempotencyKey: "hash", options: { idempotencyKeyOptions: { key: "mine", scope: "run" }, ttl: "10m" } }),
      {
        directory,
        env,
        vocabulary: "current",
      }
    );
    expect(JSON.parse(JSON.stringify(run))).toEqual({
      id: `run_${ID}`,
      status: "QUEUED",
      taskIdentifier: "child",
      idempotencyKey: "mine",
      ...statusFlags("PENDING"),
      isTest: false,
      createdAt: AT.toISOString(),
      updatedAt: AT.toISOString(),
      ttl: "10m",
      tags: ["a"],
      costInCents: 0,
      baseCostInCents: 0,
      durationMs: 0,
    });
  });

  test("decodes payload and output, links stored ones, and nests its relatives", async () => {
    const detail: RunDetail = {
      ...item({ status: "COMPLETED_SUCCESSFULLY", state: "FINISHED", attempt: 2 }, { parentId: PARENT, rootId: ROOT, depth: 2 }),
      header: { ...item({}, { parentId: PARENT, rootId: ROOT, depth: 2 }).header, payload: '{"json":{"n":21}}' },
      lastError: null,
      history: [],
      result: result({ output: "packets/out.json", outputType: "application/store" }),
    };
    const relatives = new Map([PARENT, ROOT].map((id) => [id, item({}, { id })]));
    const presenter = new RetrieveRunPresenter({
      store: {
        getRun: async () => detail,
        getRuns: async () => relatives,
        childrenOf: async () => [item({ status: "EXPIRED", completedAt: AT }, { id: PARENT, depth: 3 })],
      },
      directory,
      packets: { presign: (verb, envId, name) => `http://x/${verb}/${envId}/${name}` },
    });
    const shown = JSON.parse(JSON.stringify(await presenter.call(detail, env, "current"))) as Record<string, unknown>;
    expect(RetrieveRunResponse.safeParse(shown).error).toBeUndefined();
    expect(shown).toMatchObject({
      payload: { n: 21 },
      outputPresignedUrl: `http://x/get/${env.id}/packets/out.json`,
      attemptCount: 2,
      depth: 2,
    });
    expect(shown).not.toHaveProperty("output");
    expect(shown["relatedRuns"]).toMatchObject({
      parent: { id: `run_${PARENT}` },
      root: { id: `run_${ROOT}` },
      children: [{ depth: 3, expiredAt: AT.toISOString(), isCompleted: true, isFailed: true }],
    });
  });
});

describe("errors and results", () => {
  test("wire errors become messages; unreadable ones are still shown", async () => {
    const builtIn = JSON.stringify({ type: "BUILT_IN_ERROR", name: "TypeError", message: "boom", stackTrace: "at x" });
    expect(await presentError(builtIn)).toMatchObject({ name: "TypeError", message: "boom", stackTrace: "at x" });
    expect(await presentError(JSON.stringify({ type: "STRING_ERROR", raw: "plain" }))).toEqual({ message: "plain" });
    expect(await presentError(JSON.stringify({ type: "INTERNAL_ERROR", code: "TASK_RUN_CANCELLED", message: "Cancelled" }))).toMatchObject({
      message: "Cancelled",
      name: "TASK_RUN_CANCELLED",
    });
    expect(storedError("{broken")).toEqual({ type: "STRING_ERROR", raw: "{broken" });
  });

  test.each([
    result({ output: '{"json":1}', outputType: "application/super+json" }),
    result({}),
    result({ status: "COMPLETED_WITH_ERRORS", error: JSON.stringify({ type: "STRING_ERROR", raw: "x" }) }),
    result({ status: "CANCELED" }),
    result({ status: "EXPIRED" }),
  ])("a finished run's result parses ($status)", (finished) => {
    const shown = presentResult(finished);
    expect(TaskRunExecutionResult.safeParse(JSON.parse(JSON.stringify(shown))).error).toBeUndefined();
    expect(shown.ok).toBe(finished.status === "COMPLETED_SUCCESSFULLY");
  });
});
