/** Messages of the test server, in the shapes that the run controller's own schemas accept. */
import type { DesiredDeployment } from "../protocol";

export type Completion = {
  ok: boolean;
  id: string;
  output?: string;
  error?: { type?: string; code?: string; message?: string; stackTrace?: string };
  retry?: unknown;
};
export type TestRun = {
  id: string;
  deploymentId: string;
  task: string;
  payload: unknown;
  machine: string;
  seq: number;
  attempts: number;
  state: "queued" | "handed" | "executing" | "waiting" | "cancelling" | "finished";
  completions: Completion[];
  releases: string[];
  starters: string[];
  startedFrom: string;
  triggeredAt: number;
  handedAt: number;
  startedAt: number;
  finishedAt: number;
};

const MACHINES: Record<string, { name: string; cpu: number; memory: number; centsPerMs: number }> = {
  "small-1x": { name: "small-1x", cpu: 0.5, memory: 0.5, centsPerMs: 0 },
  "medium-1x": { name: "medium-1x", cpu: 1, memory: 2, centsPerMs: 0 },
};

/** What `dequeue` answers for a run. */
export function dequeuedMessage(run: TestRun, version: DesiredDeployment | undefined) {
  return {
    version: "1",
    dequeuedAt: new Date().toISOString(),
    completedWaitpoints: [],
    snapshot: snapshotOf(run, "PENDING_EXECUTING"),
    image: `release://${version?.releaseDigest ?? ""}`,
    backgroundWorker: { id: "worker1", friendlyId: "worker_worker1", version: version?.version ?? "" },
    deployment: { id: run.deploymentId, friendlyId: `deployment_${run.deploymentId}` },
    run: {
      id: run.id.slice(4),
      friendlyId: run.id,
      isTest: false,
      isReplay: false,
      machine: MACHINES[run.machine],
      attemptNumber: run.attempts + 1,
      masterQueue: "test",
      traceContext: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
    },
    environment: { id: version?.environmentId ?? "", type: "PRODUCTION" },
    organization: { id: "org1" },
    project: { id: "project1" },
  };
}

/** A crash is retried once, from the queue. */
export function outcomeOf(
  run: TestRun,
  completion: Completion,
  forceRequeue: boolean
): "RETRY_IMMEDIATELY" | "RETRY_QUEUED" | "RUN_FINISHED" {
  if (completion.ok) return "RUN_FINISHED";
  if (completion.retry !== undefined && !forceRequeue) return "RETRY_IMMEDIATELY";
  return run.attempts < 2 && completion.error?.code === "TASK_PROCESS_EXITED_WITH_NON_ZERO_CODE" ? "RETRY_QUEUED" : "RUN_FINISHED";
}

export function snapshotOf(run: TestRun, executionStatus: string) {
  const id = `${run.id.slice(4)}${String(run.seq).padStart(6, "0")}`;
  return { id, friendlyId: `snapshot_${id}`, executionStatus, description: "test", createdAt: new Date().toISOString() };
}

export function runOf(run: TestRun, status: string) {
  return { id: run.id.slice(4), friendlyId: run.id, status, attemptNumber: run.attempts };
}

export function executionOf(run: TestRun, version: DesiredDeployment | undefined) {
  const at = new Date().toISOString();
  return {
    attempt: { number: run.attempts, startedAt: at },
    run: {
      id: run.id,
      payload: JSON.stringify({ json: run.payload }),
      payloadType: "application/super+json",
      createdAt: at,
      startedAt: at,
      tags: [],
      isTest: false,
      isReplay: false,
      maxAttempts: 3,
      version: version?.version,
      traceContext: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
      durationMs: 0,
      costInCents: 0,
      baseCostInCents: 0,
    },
    task: { id: run.task, filePath: "src/trigger/tasks.ts" },
    queue: { id: "queue_1", name: `task/${run.task}` },
    environment: { id: version?.environmentId ?? "", slug: "prod", type: "PRODUCTION" },
    organization: { id: "org1", slug: "org", name: "Org" },
    project: { id: "project1", ref: "proj_test", slug: "project", name: "Project" },
    machine: MACHINES[run.machine],
  };
}
