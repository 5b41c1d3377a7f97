/** Runs for tests that care about a few of their fields. */
import { randomBytes } from "node:crypto";
import type { NewRun } from "../app/runops/runStore";
import { mintId } from "../app/utils/ids";

/** A queued run, created at `nowMs` in an environment of its own. */
export function plainRun(nowMs: number, over: Partial<NewRun> = {}): NewRun {
  return {
    ...plainHeader(nowMs),
    payload: "{}",
    initial: { state: "QUEUED", status: "PENDING" },
    score: nowMs,
    dueAt: null,
    versionId: null,
    metadata: null,
    metadataType: "application/json",
    idempotency: null,
    requestHash: null,
    oneTimeToken: null,
    ...over,
  };
}

/** The part of a run that never changes. */
export function plainHeader(nowMs: number) {
  return {
    id: mintId(nowMs),
    envId: mintId(nowMs),
    task: "a",
    queue: "task/a",
    concurrencyKey: null,
    region: "main",
    payloadType: "application/json",
    traceId: randomBytes(16).toString("hex"),
    spanId: randomBytes(8).toString("hex"),
    parentSpanId: null,
    traceContext: null,
    tags: [] as string[],
    rootId: null,
    parentId: null,
    depth: 0,
    batchId: null,
    batchIndex: null,
    idempotencyKey: null,
    scheduleId: null,
    replayOf: null,
    isTest: false,
    options: {},
  };
}
