/** The deployments API over real stores, with a workflow that only writes down what it was told. */
import type { PoolClient } from "../../app/platform/db.server";
import { mintId, parseFriendlyId } from "../../app/utils/ids";
import type { Phase } from "../../app/deployments/phases";
import { STATUS_OF_PHASE } from "../../app/deployments/phases";
import type { Queryable, Workflow, WorkflowTopic } from "../../app/deployments/ports";
import { action as createArtifact } from "../../app/routes/api.v1.artifacts._index";
import { action as upload } from "../../app/routes/api.v1.artifacts.upload";
import * as deployments from "../../app/routes/api.v1.deployments._index";
import { callRoute, createTestApp, TEST_ORIGIN, type ApiAnswer, type TestApp } from "../testApp";
import { createTestServices, type TestServices } from "../services";

export type RecordedWorkflow = Workflow & { started: string[]; signals: { id: string; topic: WorkflowTopic }[] };

function recordedWorkflow(): RecordedWorkflow {
  const started: string[] = [];
  const signals: { id: string; topic: WorkflowTopic }[] = [];
  return {
    started,
    signals,
    start: async (tx: PoolClient, id: string) => {
      await tx.query("SELECT 1 FROM deployment WHERE id = $1", [id]);
      started.push(id);
    },
    signal: async (_db: Queryable, id: string, topic: WorkflowTopic) => void signals.push({ id, topic }),
  };
}

export type Form = { artifactKey: string; uploadUrl: string; uploadFields: Record<string, string>; expiresAt: string };
export type CreateAnswer = { id: string; version: string; shortCode: string; outcome: string; [field: string]: unknown };
export type ApiFixture = Awaited<ReturnType<typeof createApiFixture>>;
export type Clock = { now(): number; advance(ms: number): void };

export async function createApiFixture(options: { holdSegmentMs?: number } = {}) {
  const services: TestServices = await createTestServices();
  const workflow = recordedWorkflow();
  let addedMs = 0;
  const clock: Clock = { now: () => Date.now() + addedMs, advance: (ms) => void (addedMs += ms) };
  const test: TestApp = await createTestApp(services, { clock, workflow, ...options });
  const { app } = test;
  const prod = await test.environment("prod");
  const staging = await test.environment("staging");
  const token = prod.secretKey;
  const sql = <T extends object>(text: string, values: unknown[] = []) => services.pool.query<T>(text, values).then(({ rows }) => rows);

  const artifact = async (type = "deployment_bundle", key = token): Promise<Form> => {
    const { status, body } = await callRoute<Form>({ action: createArtifact }, { token: key, body: { type, contentLength: 10 } });
    if (status !== 201) throw new Error(`No artifact: ${status}`);
    return body;
  };
  const send = async (form: Pick<Form, "uploadFields">, content: string | Uint8Array): Promise<Response> => {
    return upload({
      request: new Request(`${TEST_ORIGIN}/api/v1/artifacts/upload`, { method: "POST", body: uploadForm(form, content) }),
      params: {},
      context: {},
    });
  };
  const uploaded = async (type = "deployment_bundle", key = token): Promise<string> => {
    const form = await artifact(type, key);
    const { status } = await send(form, `content of ${form.artifactKey}`);
    if (status !== 204) throw new Error(`Not uploaded: ${status}`);
    return form.artifactKey;
  };
  const post = (body: Record<string, unknown>, over: { key?: string; requestKey?: string; headers?: Record<string, string> } = {}) => {
    const headers = { ...(over.requestKey ? { "x-trigger-request-idempotency-key": over.requestKey } : {}), ...over.headers };
    const all = { contentHash: "abc", type: "MANAGED", runtime: "node", isNativeBuild: true, fromBundle: true, ...body };
    return callRoute<CreateAnswer & { error?: string }>(deployments, { method: "POST", token: over.key ?? token, headers, body: all });
  };
  /** Creates one with hold off, so that the answer comes at once. */
  const create = async (body: Record<string, unknown> = {}): Promise<CreateAnswer & { bare: string }> => {
    const answer = await post({ artifactKey: await uploaded(), ...body });
    if (answer.status !== 200) throw new Error(`Not created: ${answer.status} ${JSON.stringify(answer.body)}`);
    return { ...answer.body, bare: parseFriendlyId("deployment", answer.body.id) ?? "" };
  };
  return {
    ...{ services, workflow, clock, test, app, prod, staging, token, sql, artifact, send, uploaded, post, create },
    /** What the workflow would write, as far as the API sees it. */
    toPhase: async (id: string, phase: Phase) => {
      await sql("UPDATE deployment SET phase = $2, status = $3, deployed_at = CASE WHEN $2 = 'ready' THEN now() END WHERE id = $1", [
        id,
        phase,
        STATUS_OF_PHASE[phase],
      ]);
      await sql("UPDATE deployment_step SET ended_at = now() WHERE deployment_id = $1 AND ended_at IS NULL", [id]);
    },
    openStep: (id: string, step: string) =>
      sql("INSERT INTO deployment_step (deployment_id, step, started_at) VALUES ($1, $2, now())", [id, step]),
    promote: (id: string) =>
      sql("INSERT INTO deployment_promotion (environment_id, deployment_id, generation, promoted_at) VALUES ($1, $2, 1, now())", [
        prod.id,
        id,
      ]),
    holdOff: () => app.deployments.settings.update(prod, { holdResponse: false }, actor),
    audit: (id: string) =>
      sql<{ event: string; actor_type: string; meta: unknown }>("SELECT * FROM audit_log WHERE deployment_id = $1 ORDER BY id", [id]),
    unknownId: () => `deployment_${mintId(clock.now())}`,
    close: async () => {
      await test.close();
      await services.close();
    },
  };
}

const actor = { type: "system", id: "test", name: null, ip: null, userAgent: null, correlationId: null } as const;

/** Waits until `check` holds; fails after five seconds. */
export async function until(check: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error("It did not come true within 5 s.");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export type { ApiAnswer };

/** What the CLI sends. */
export function uploadForm({ uploadFields }: Pick<Form, "uploadFields">, content: string | Uint8Array): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(uploadFields)) data.append(name, value);
  data.append("file", new Blob([content as BlobPart]), "deployment.tar.gz");
  return data;
}
