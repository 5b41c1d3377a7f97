/** Deployments as rows, in any phase, for tests of what reads them: the tables as the workflow would have left them. */
import { mintId } from "../app/utils/ids";
import { isTerminal, STATUS_OF_PHASE, STEPS, stepOfPhase, type Phase, type Step } from "../app/deployments/phases";
import { newShortCode } from "../app/deployments/versions";
import type { Pool } from "../app/platform/db.server";

export type FactoryInput = {
  version: string;
  phase?: Phase;
  /** Failed by a deadline. */
  timedOut?: boolean;
  /** The step in which it failed, was cancelled, or gave way. */
  failedStep?: Step;
  /** Full text; its first line is the summary. */
  error?: string;
  code?: string;
  stderr?: string;
  stack?: string;
  createdAt?: Date;
  /** Milliseconds of each step; a step that is not named took `STEP_MS`. */
  stepMs?: Partial<Record<Step, number>>;
  tasks?: readonly string[];
  message?: string;
  branch?: string;
  sha?: string;
  triggeredVia?: string | null;
  triggeredById?: string | null;
  skipPromotion?: boolean;
  externalId?: string;
  canceledReason?: string;
  /** The upload is kept, so that it can be deployed again. Default true for what was built. */
  bundle?: boolean;
  /** Region names with replicas that it runs in. */
  regions?: Readonly<Record<string, number>>;
};
export type MadeDeployment = { id: string; version: string; shortCode: string; workerId: string | null };

const STEP_MS: Record<Step, number> = { queued: 200, starting: 300, building: 18_000, deploying: 7_000, network: 100, finalizing: 200 };
const ERROR_STATES: ReadonlySet<Phase> = new Set(["failed", "cancelled", "superseded"]);

export class DeploymentFactory {
  private made = 0;

  constructor(
    private readonly pool: Pool,
    private readonly env: { id: string; project: { id: string } }
  ) {}

  /** Later ones are newer. */
  async make(input: FactoryInput): Promise<MadeDeployment> {
    const phase = input.phase ?? "ready";
    const createdAt = input.createdAt ?? new Date(Date.now() - 3_600_000 + this.made * 1_000);
    this.made += 1;
    const id = mintId(createdAt.getTime());
    const steps = stepsOf(phase, input, createdAt);
    const isBuilt = steps.some((step) => step.step === "deploying");
    const release = isBuilt ? await this.release() : null;
    const workerId = isBuilt ? await this.worker(input, createdAt) : null;
    const bundle = (input.bundle ?? isBuilt) ? await this.bundle() : null;
    const shortCode = newShortCode();
    await this.insert("deployment", {
      ...{ id, project_id: this.env.project.id, environment_id: this.env.id, short_code: shortCode, version: input.version },
      ...{ worker_version_id: workerId, release_digest: release, bundle_key: bundle, created_at: createdAt },
      ...originOf(input),
      ...endOf(phase, input, steps),
    });
    for (const step of steps) await this.insert("deployment_step", { deployment_id: id, ...columnsOf(step) });
    for (const [region, replicas] of Object.entries(input.regions ?? {})) await this.topology(id, region, replicas);
    return { id, version: input.version, shortCode, workerId };
  }

  /** Makes it current, as a promotion does. `kind` of the history. */
  async point(to: MadeDeployment, options: { kind?: string; at?: Date; rolledBack?: boolean; actor?: string } = {}): Promise<void> {
    const { kind = "auto_promote", at = new Date(), rolledBack = false, actor = "system:deploy" } = options;
    const before = await this.pool.query<{ deployment_id: string; generation: number }>(
      "SELECT deployment_id, generation FROM deployment_promotion WHERE environment_id = $1",
      [this.env.id]
    );
    const from = before.rows[0]?.deployment_id ?? null;
    const generation = (before.rows[0]?.generation ?? 0) + 1;
    await this.pool.query("DELETE FROM deployment_promotion WHERE environment_id = $1", [this.env.id]);
    await this.insert("deployment_promotion", {
      ...{ environment_id: this.env.id, deployment_id: to.id, previous_deployment_id: from, is_rolled_back: rolledBack, generation },
      ...{ promoted_at: at, promoted_by: actor },
    });
    await this.insert("deployment_promotion_event", {
      ...{ environment_id: this.env.id, generation, kind, from_deployment_id: kind === "confirm_rollback" ? to.id : from },
      ...{ to_deployment_id: to.id, actor, at },
    });
  }

  /** Appends lines of one step. A text, or [level, text]. */
  async log(
    deployment: MadeDeployment,
    step: Step | null,
    lines: readonly (string | readonly [string, string])[],
    at = new Date()
  ): Promise<void> {
    const rows = lines.map((line) => (typeof line === "string" ? (["info", line] as const) : line));
    await this.pool.query(
      `INSERT INTO deployment_event (deployment_id, seq, at, type, step, level, body)
       SELECT $1, (SELECT coalesce(max(seq), 0) FROM deployment_event WHERE deployment_id = $1) + n, $2::timestamptz + n * interval '70 ms', 'log', $3, l, b
       FROM unnest($4::text[], $5::text[]) WITH ORDINALITY AS t (l, b, n)`,
      [deployment.id, at, step, rows.map(([level]) => level), rows.map(([, text]) => text)]
    );
  }

  /** An agent that reported just now, or `ago` milliseconds before. */
  async agent(region: string, name: string, ago = 0): Promise<string> {
    const regionId = await this.region(region);
    const id = mintId(Date.now());
    const capabilities = {
      platform: "linux",
      arch: "x64",
      node: "22.11.0",
      nodeAbi: "127",
      packages: [],
      isolation: "L2",
      roles: ["runner", "builder"],
      memoryMb: 3_900,
    };
    await this.insert("agent", {
      id,
      region_id: regionId,
      instance_name: name,
      capabilities,
      slots: 8,
      last_seen_at: new Date(Date.now() - ago),
    });
    return id;
  }

  /** A process that the agent reported. */
  async instance(
    deployment: MadeDeployment,
    agentId: string,
    input: { region: string; runner: string; state: string; message?: string }
  ): Promise<void> {
    await this.insert("deployment_instance", {
      ...{ id: mintId(Date.now()), deployment_id: deployment.id, region_id: await this.region(input.region), agent_id: agentId },
      ...{ runner_id: input.runner, pid: 4_711, state: input.state, message: input.message ?? null, last_seen_at: new Date() },
    });
  }

  /** Id of the region; makes it when it is new. */
  async region(name: string): Promise<string> {
    await this.pool.query("INSERT INTO region (id, name) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", [mintId(Date.now()), name]);
    const { rows } = await this.pool.query<{ id: string }>("SELECT id FROM region WHERE name = $1", [name]);
    return rows[0]?.id ?? "";
  }

  private async topology(deploymentId: string, region: string, replicas: number): Promise<void> {
    const row = { deployment_id: deploymentId, region_id: await this.region(region), desired_replicas: replicas, min_replicas: replicas };
    await this.insert("deployment_topology", { ...row, desired_status: "running" });
  }

  private async release(): Promise<string> {
    const digest = `sha256:${mintId(Date.now())
      .replaceAll(/[^0-9a-f]/g, "0")
      .padEnd(64, "e07b")}`;
    await this.insert("release", { digest, platform: "linux-x64", node_abi: "127", bytes: 38_200_000, location: "releases/x" });
    return digest;
  }

  private async bundle(): Promise<string> {
    const key = `bundles/${mintId(Date.now())}`;
    await this.insert("artifact", {
      ...{ key, type: "deployment_bundle", project_id: this.env.project.id, environment_id: this.env.id, limit_bytes: 1_000_000 },
      ...{ expires_at: new Date(), state: "consumed", bytes: 500_000 },
    });
    return key;
  }

  private async worker(input: FactoryInput, createdAt: Date): Promise<string> {
    const id = mintId(createdAt.getTime());
    await this.insert("worker_version", {
      ...{
        id,
        environment_id: this.env.id,
        version: input.version,
        content_hash: "c".repeat(64),
        sdk_version: "4.8.3",
        cli_version: "4.8.3",
      },
      ...{ runtime: "node", runtime_version: "22.11.0", metadata: {}, created_at: createdAt },
    });
    for (const slug of input.tasks ?? ["hello-world"]) {
      const config = { queue: `task/${slug}` };
      await this.insert("task", {
        ...{ id: mintId(Date.now()), worker_version_id: id, environment_id: this.env.id, slug, file_path: `src/trigger/${slug}.ts` },
        ...{ export_name: "task", trigger_source: "standard", config },
      });
    }
    return id;
  }

  private async insert(table: string, row: Record<string, unknown>): Promise<void> {
    const names = Object.keys(row);
    const values = Object.values(row).map((value) =>
      value !== null && typeof value === "object" && !(value instanceof Date) ? JSON.stringify(value) : value
    );
    const marks = names.map((_, i) => `$${i + 1}`).join(", ");
    await this.pool.query(`INSERT INTO ${table} (${names.map((name) => `"${name}"`).join(", ")}) VALUES (${marks})`, values);
  }
}

function originOf(input: FactoryInput): Record<string, unknown> {
  const { message = "Retry card capture on 429", branch = "main", sha = "7be20d4c0ffee", triggeredVia = "cli:manual" } = input;
  return {
    ...{ content_hash: "c".repeat(64), runtime: "node", runtime_version: "22.11.0", from_bundle: true, commit_sha: sha },
    ...{ git: { commitMessage: message, commitRef: branch, commitSha: sha }, triggered_via: triggeredVia },
    ...{
      skip_promotion: input.skipPromotion ?? false,
      triggered_by_id: input.triggeredById ?? null,
      external_id: input.externalId ?? null,
    },
  };
}

function endOf(phase: Phase, input: FactoryInput, steps: readonly StepRow[]): Record<string, unknown> {
  const status = input.timedOut ? "TIMED_OUT" : STATUS_OF_PHASE[phase];
  const last = steps.at(-1);
  const endedAt = last?.endedAt ?? null;
  return {
    ...{ phase, status, desired_state: phase === "stopped" ? "stopped" : "running", failure_code: input.code ?? null },
    ...{ canceled_reason: reasonOf(phase, input), failure_step: ERROR_STATES.has(phase) ? last?.step : null },
    error_data: phase === "failed" ? errorOf(input) : null,
    deployed_at: status === "DEPLOYED" ? endedAt : null,
    failed_at: phase === "failed" ? endedAt : null,
    canceled_at: status === "CANCELED" ? endedAt : null,
  };
}

function reasonOf(phase: Phase, { canceledReason }: FactoryInput): string | null {
  return canceledReason ?? (phase === "cancelled" ? "Cancelled by user" : null);
}

function errorOf({ stack, stderr, error = "It failed" }: FactoryInput): Record<string, unknown> {
  return { name: "Error", message: error.split("\n")[0], stack, stderr };
}

type StepRow = { step: Step; startedAt: Date; endedAt: Date | null; error: string | null };

function stepsOf(phase: Phase, input: FactoryInput, createdAt: Date): StepRow[] {
  const last = lastStep(phase, input);
  let at = createdAt.getTime();
  return STEPS.slice(0, STEPS.indexOf(last) + 1).map((step) => {
    const startedAt = new Date(at);
    at += input.stepMs?.[step] ?? STEP_MS[step];
    const isLast = step === last;
    const isOpen = isLast && !isTerminal(phase);
    const error = isLast && ERROR_STATES.has(phase) ? (input.error ?? input.canceledReason ?? "Cancelled by user") : null;
    return { step, startedAt, endedAt: isOpen ? null : new Date(at), error };
  });
}

function lastStep(phase: Phase, input: FactoryInput): Step {
  if (phase === "ready" || phase === "stopped") return "finalizing";
  return input.failedStep ?? stepOfPhase(phase) ?? "queued";
}

function columnsOf({ step, startedAt, endedAt, error }: StepRow): Record<string, unknown> {
  const summary = error?.split("\n")[0]?.slice(0, 512) ?? null;
  const outcome = step === "starting" && endedAt ? [{ region: "local", replicas: 1 }] : null;
  return { step, started_at: startedAt, ended_at: endedAt, error, error_summary: summary, outcome };
}
