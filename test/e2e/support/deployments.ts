/** Deployments of a prebuilt bundle over HTTP, as the CLI posts them, and what the tables say about them. */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { buffer } from "node:stream/consumers";
import tar from "tar-stream";
import { friendlyId } from "../../../app/utils/ids";
import type { Pool, PoolClient } from "../../../app/platform/db.server";
import { TERMINAL_PHASES, type Phase } from "../../../app/deployments/phases";
import { makeProject, runCli } from "./devSession";
import { eventually } from "./processes";
import type { Sluice } from "./sluice";

export type Bundle = { bytes: Buffer; contentHash: string };
type Answer = { status: number; body: Record<string, unknown> };

/** Calls with the key of an environment. `origin` is asked for each call, so a test may change servers. */
export class DeployClient {
  private readonly headers: Record<string, string>;

  /** `branch`: of `preview`, whose branches share its key. */
  constructor(
    private readonly origin: () => string,
    secretKey: string,
    branch?: string
  ) {
    this.headers = {
      authorization: `Bearer ${secretKey}`,
      "content-type": "application/json",
      ...(branch ? { "x-trigger-branch": branch } : {}),
    };
  }

  async send(method: string, pathname: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const answer = await fetch(this.origin() + pathname, {
      method,
      headers: { ...this.headers, ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  }

  /** Key of the uploaded bundle. */
  async upload({ bytes }: Bundle): Promise<string> {
    const { status, body } = await this.send("POST", "/api/v1/artifacts", { type: "deployment_bundle", contentLength: bytes.length });
    if (status !== 201) throw new Error(`artifact: ${status} ${JSON.stringify(body)}`);
    const form = new FormData();
    for (const [name, value] of Object.entries(body["uploadFields"] as Record<string, string>)) form.append(name, value);
    form.append("file", new Blob([new Uint8Array(bytes)]), "bundle.tar.gz");
    const answer = await fetch(String(body["uploadUrl"]), { method: "POST", body: form });
    if (!answer.ok) throw new Error(`upload: ${answer.status} ${await answer.text()}`);
    return String(body["artifactKey"]);
  }

  /** Posts it until it is answered, the same request each time, as the CLI does when its server goes away. */
  create(bundle: Bundle, artifactKey: string): Promise<Record<string, unknown>> {
    const body = { contentHash: bundle.contentHash, type: "MANAGED", isNativeBuild: true, fromBundle: true, artifactKey };
    const headers = { "x-trigger-request-idempotency-key": randomBytes(12).toString("hex") };
    return eventually("an answer to the deployment", 120_000, async () => {
      const answer = await this.send("POST", "/api/v1/deployments", body, headers);
      if (answer.status === 200) return answer.body;
      throw new Error(`deployment: ${answer.status} ${JSON.stringify(answer.body)}`);
    });
  }

  /** Uploads and posts; the friendly id. */
  async deploy(bundle: Bundle): Promise<string> {
    return String((await this.create(bundle, await this.upload(bundle)))["id"]);
  }

  /** The run once it is over. */
  async run(task: string, payload: unknown, options: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const id = await eventually(`trigger of ${task}`, 60_000, async () => {
      const { status, body } = await this.send("POST", `/api/v1/tasks/${task}/trigger`, { payload, options });
      if (status !== 200) throw new Error(`trigger: ${status} ${JSON.stringify(body)}`);
      return String(body["id"]);
    });
    return eventually(`end of ${id}`, 120_000, async () => {
      const { body } = await this.send("GET", `/api/v3/runs/${id}`);
      return body["isCompleted"] ? body : null;
    });
  }
}

/** Deploys the test project with the real CLI once; the bundle that it uploaded. The server must keep its artifacts in `dataDir`. */
export async function bundleOfCli(sluice: Sluice, dataDir: string, pool: Pool): Promise<Bundle> {
  const project = makeProject();
  const cli = runCli(sluice, project.dir, ["deploy", "--skip-update-check"]);
  const code = await cli.ended;
  project.remove();
  if (code !== 0) throw new Error(`deploy ended with ${code}:\n${cli.output()}`);
  const { rows } = await pool.query<{ contentHash: string }>('SELECT content_hash AS "contentHash" FROM deployment ORDER BY id LIMIT 1');
  const directory = path.join(dataDir, "artifacts/bundles");
  const file = readdirSync(directory, { recursive: true, encoding: "utf8" }).find((name) => name.endsWith(".tar.gz"));
  if (!file || !rows[0]) throw new Error("The CLI has uploaded no bundle.");
  return { bytes: readFileSync(path.join(directory, file)), contentHash: rows[0].contentHash };
}

/** The same bundle with one more file, so that its release is another one: deployments of one release share its row. */
export async function bundleWith({ bytes, contentHash }: Bundle, file: string): Promise<Bundle> {
  const unpack = tar.extract();
  const pack = tar.pack();
  unpack.end(gunzipSync(bytes));
  for await (const entry of unpack) pack.entry(entry.header, await buffer(entry));
  pack.entry({ name: file }, file);
  pack.finalize();
  return { bytes: gzipSync(await buffer(pack)), contentHash };
}

/** Changes of phase at the moment they are committed. */
export class PhaseWatch {
  private readonly listeners = new Set<(id: string, phase: string) => void>();
  private constructor(private readonly client: PoolClient) {
    client.on("notification", ({ payload }) => {
      const [id = "", , phase = ""] = (payload ?? "").split(" ");
      for (const listener of this.listeners) listener(id, phase);
    });
  }

  static async start(pool: Pool): Promise<PhaseWatch> {
    const client = await pool.connect();
    await client.query("LISTEN sluice_deployment");
    return new PhaseWatch(client);
  }

  /** Id of the next deployment that enters `phase`. Rejects when one ends before that. */
  next(phase: Phase): Promise<string> {
    return new Promise((resolve, reject) => {
      const listener = (id: string, entered: string) => {
        const ended = (TERMINAL_PHASES as ReadonlySet<string>).has(entered);
        if (entered !== phase && !ended) return;
        this.listeners.delete(listener);
        if (ended) reject(new Error(`${friendlyId("deployment", id)} is ${entered}: it never was in ${phase}.`));
        else resolve(id);
      };
      this.listeners.add(listener);
    });
  }

  stop(): void {
    this.client.release(true);
  }
}

export async function phaseOf(pool: Pool, id: string): Promise<Phase | undefined> {
  const { rows } = await pool.query<{ phase: Phase }>("SELECT phase FROM deployment WHERE id = $1", [id]);
  return rows[0]?.phase;
}

export type EndOfDeployment = {
  phase: Phase;
  status: string;
  version: string;
  errors: unknown;
  /** Changes of the current version to this one. */
  promotions: number;
  steps: string[];
  openSteps: number;
};

const END_SQL =
  "SELECT d.phase, d.status, d.version, d.error_data AS errors, " +
  "(SELECT count(*)::int FROM deployment_promotion_event e WHERE e.to_deployment_id = d.id) AS promotions, " +
  "(SELECT array_agg(s.step ORDER BY s.started_at, s.step) FROM deployment_step s WHERE s.deployment_id = d.id) AS steps, " +
  '(SELECT count(*)::int FROM deployment_step s WHERE s.deployment_id = d.id AND s.ended_at IS NULL) AS "openSteps" ' +
  "FROM deployment d WHERE d.id = $1";

/** Once it has ended. */
export async function endOf(pool: Pool, id: string, timeoutMs: number): Promise<EndOfDeployment> {
  return eventually(`end of ${friendlyId("deployment", id)}`, timeoutMs, async () => {
    const { rows } = await pool.query<EndOfDeployment>(END_SQL, [id]);
    if (rows[0] && TERMINAL_PHASES.has(rows[0].phase)) return rows[0];
    throw new Error(JSON.stringify(rows[0]));
  });
}
