/**
 * What the unmodified CLI says and hears when it deploys, call by call: a proxy notes it. The server has no agent, so a
 * deployment stays under way until a test ends it; nothing is built here.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { makeProject, makeStandaloneProject, runCli } from "../e2e/support/devSession";
import { eventually } from "../e2e/support/processes";
import { RecordingProxy, type SeenCall } from "../e2e/support/recordingProxy";
import { type Sluice, startSluice } from "../e2e/support/sluice";

const DEPLOY = ["deploy", "--skip-update-check"];
const BUNDLE_AND_GO = ["--native-build", "--local-bundle", "--detach"];
const CREATE = /^\/api\/v1\/deployments$/;
const CLI_TIMEOUT_MS = 120_000;

type CreateAnswer = { id: string; version: string };
type Deployment = { id: string; version: string; shortCode: string; status: string };

let proxy: RecordingProxy;
let sluice: Sluice;
let project: ReturnType<typeof makeProject>;

beforeAll(async () => {
  proxy = await RecordingProxy.start(() => ({ port: sluice.port }));
  sluice = await startSluice({ env: { PUBLIC_URL: proxy.origin, HOLD_SEGMENT_MS: "1500" } });
  project = makeProject();
});
afterAll(async () => {
  project?.remove();
  proxy?.close();
  await sluice?.remove();
});
afterEach(async () => {
  proxy.reset();
  for (const { id, status } of await listed()) {
    if (!/DEPLOYED|FAILED|CANCELED|TIMED_OUT/.test(status)) await send("POST", `/api/v1/deployments/${id}/cancel`, {});
  }
});

function start(args: readonly string[], over: { dir?: string; env?: Record<string, string> } = {}) {
  return runCli(sluice, over.dir ?? project.dir, [...DEPLOY, ...args], { TRIGGER_API_URL: proxy.origin, ...over.env });
}

async function deploy(args: readonly string[], over: Parameters<typeof start>[1] = {}): Promise<{ code: number | null; output: string }> {
  const cli = start(args, over);
  const timer = setTimeout(() => void cli.kill(), CLI_TIMEOUT_MS);
  const code = await cli.ended;
  clearTimeout(timer);
  return { code, output: cli.output() };
}

async function send(method: string, pathname: string, body?: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await fetch(sluice.origin + pathname, {
    method,
    headers: { authorization: `Bearer ${sluice.credentials.environments.prod.secretKey}`, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>) };
}

async function listed(): Promise<Deployment[]> {
  return ((await send("GET", "/api/v1/deployments?page%5Bsize%5D=100")).body as { data: Deployment[] }).data;
}

async function newest(): Promise<Deployment> {
  const [row] = await listed();
  if (!row) throw new Error("There is no deployment.");
  return row;
}

function holdAnswers(holdResponse: boolean) {
  return send("PUT", `/api/v1/projects/${sluice.credentials.projectRef}/prod/deploy-settings`, { holdResponse });
}

const isCreate = (call: SeenCall) => call.method === "POST" && CREATE.test(call.path);

describe("what is refused or not sent", () => {
  test("29: a dry run creates nothing", async () => {
    const { code, output } = await deploy(["--dry-run"]);
    expect(code, output).toBe(0);
    expect(output).toContain("Dry run complete");
    expect(proxy.calls("POST", /artifacts|deployments/)).toEqual([]);
    expect(await listed()).toEqual([]);
  });

  test("30: a server without deploy-settings refuses in clear words, and no row is left", async () => {
    proxy.intercept = (call) => Promise.resolve(call.path.endsWith("/deploy-settings") ? { status: 404, body: "{}" } : null);
    const { code, output } = await deploy([]);
    expect(code, output).toBe(1);
    expect(output).toContain("This server builds without Docker");
    expect(proxy.calls("POST", CREATE)).toHaveLength(1);
    expect(await listed()).toEqual([]);
  });

  test("38: sources over the limit end with its words", async () => {
    const source = makeStandaloneProject();
    writeFileSync(path.join(source.dir, "recording.bin"), randomBytes(101 * 1024 * 1024));
    const { code, output } = await deploy(["--native-build"], { dir: source.dir });
    source.remove();
    expect(code, output).toBe(1);
    expect(output).toMatch(/Artifact size \(10\d\.\d+ MB\) exceeds the allowed limit of 100 MB/);
    expect(proxy.calls("POST", /upload|deployments/)).toEqual([]);
  });

  test("39: an upload that is refused ends the command, and no deployment is created", async () => {
    proxy.intercept = async (call, forward) => {
      if (call.method !== "POST" || call.path !== "/api/v1/artifacts") return null;
      const answer = await forward();
      const body = JSON.parse(answer.body) as { uploadFields: Record<string, string> };
      // What the form of a laptop that slept would say.
      body.uploadFields["expires"] = String(Date.now() - 1_000);
      return { ...answer, body: JSON.stringify(body) };
    };
    const { code, output } = await deploy([]);
    expect(code, output).toBe(1);
    expect(output).toContain("Failed to upload");
    expect(proxy.calls("POST", /upload/)).toHaveLength(1);
    expect(proxy.calls("POST", CREATE)).toEqual([]);
  });
});

describe("while the answer is held", () => {
  test("28, 33, matrix 39: a proxy's 504 and a segment that is over are asked again: one key, one row; with an environment's key nobody asks whoami", async () => {
    const before = (await listed()).length;
    proxy.intercept = async (call, forward) => {
      if (!isCreate(call) || proxy.calls("POST", CREATE).length > 1) return null;
      forward().catch(() => undefined);
      await eventually("the row", 30_000, async () => (await listed()).length > before);
      return { status: 504, body: "<html>Gateway Time-out</html>" };
    };
    const cli = start([], { env: { TRIGGER_ACCESS_TOKEN: sluice.credentials.environments.prod.secretKey } });
    await eventually("a third request", CLI_TIMEOUT_MS, () => Promise.resolve(proxy.calls("POST", CREATE).length >= 3));
    const { id, version } = await newest();
    expect((await send("POST", `/api/v1/deployments/${id}/cancel`, { reason: "seen enough" })).status).toBe(204);
    expect(await cli.ended, cli.output()).toBe(1);
    expect(cli.output()).toContain(`Version ${version} was cancelled while`);
    expect(cli.output()).toContain("seen enough");
    expect(new Set(proxy.calls("POST", CREATE).map((call) => call.headers["x-trigger-request-idempotency-key"])).size).toBe(1);
    expect(await listed()).toHaveLength(before + 1);
    expect(proxy.calls("GET", /whoami/)).toEqual([]);
  });
});

describe("answered at once", () => {
  beforeAll(() => holdAnswers(false));
  afterAll(() => holdAnswers(true));

  test("matrix 1: a CLI that dies between its upload and the create leaves no deployment", async () => {
    const before = (await listed()).length;
    const cli = start(BUNDLE_AND_GO);
    proxy.intercept = async (call) => {
      if (!isCreate(call)) return null;
      await cli.kill();
      return { status: 500, body: "" };
    };
    expect(await cli.ended).toBeNull();
    expect(proxy.calls("POST", /upload/)).toHaveLength(1);
    expect(await listed()).toHaveLength(before);
  });

  test("24, 41: --detach does not wait for the end; variables of an extension arrive before the deployment, secret ones apart", async () => {
    const config = path.join(project.dir, "trigger.config.ts");
    const original = readFileSync(config, "utf8");
    writeFileSync(config, original.replace("defineConfig({", `defineConfig({ build: { extensions: [${SYNC_EXTENSION}] },`));
    const { code, output } = await deploy(BUNDLE_AND_GO);
    writeFileSync(config, original);
    expect(code, output).toBe(0);
    expect(["PENDING", "INSTALLING"]).toContain((await newest()).status);
    const order = proxy.seen.filter((call) => call.method === "POST").map((call) => call.path.split("/").at(-1));
    expect(order).toEqual(["import", "import", "artifacts", "upload", "deployments"]);
    const imports = proxy.calls("POST", /envvars\/prod\/import$/).map(({ body }) => body);
    expect(imports).toMatchObject([
      { variables: { SYNCED_PLAIN: "in sight" }, override: true },
      { variables: { SYNCED_SECRET: "out of sight" }, override: true, isSecret: true },
    ]);
    expect(imports[0]).not.toHaveProperty("variables.SYNCED_SECRET");
    const { body } = await send("GET", `/api/v1/projects/${sluice.credentials.projectRef}/envvars/prod`);
    expect(body).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: "SYNCED_PLAIN", value: "in sight", isSecret: false }),
        expect.objectContaining({ name: "SYNCED_SECRET", value: expect.not.stringContaining("sight") as string, isSecret: true }),
      ])
    );
  });

  /** Another one of the same external id comes first by a moment: whatever time the CLI takes, that one is under way. */
  async function overtakenBy(externalId: string): Promise<{ first(): CreateAnswer }> {
    let first: CreateAnswer | null = null;
    const artifactKey = await uploaded();
    proxy.intercept = async (call) => {
      if (isCreate(call) && first === null) {
        const body = { contentHash: "a", type: "MANAGED", isNativeBuild: true, fromBundle: true, artifactKey, externalId };
        first = (await send("POST", "/api/v1/deployments", body)).body as CreateAnswer;
      }
      return null;
    };
    return {
      first: () => {
        if (first === null) throw new Error("The CLI has not asked.");
        return first;
      },
    };
  }

  test("36: one under way of the same --external-id is a refusal that the CLI does not repeat", async () => {
    const { first } = await overtakenBy("commit-1");
    const { code, output } = await deploy([...BUNDLE_AND_GO, "--external-id", "commit-1"]);
    expect(code, output).toBe(1);
    expect(output).toContain(`A deployment for external id "commit-1" is already in progress (version ${first().version})`);
    expect(proxy.calls("POST", CREATE)).toHaveLength(1);
  });

  test("37: --force takes its place, and says so", async () => {
    const { first } = await overtakenBy("commit-2");
    const { code, output } = await deploy([...BUNDLE_AND_GO, "--external-id", "commit-2", "--force"]);
    expect(code, output).toBe(0);
    expect(output).toContain(`--force canceled version ${first().version}`);
    expect((await newest()).version).not.toBe(first().version);
    expect((await send("GET", `/api/v1/deployments/${first().id}`)).body).toMatchObject({ status: "CANCELED" });
  });
});

async function uploaded(): Promise<string> {
  const { body } = await send("POST", "/api/v1/artifacts", { type: "deployment_bundle", contentLength: 10 });
  const form = new FormData();
  for (const [name, value] of Object.entries(body["uploadFields"] as Record<string, string>)) form.append(name, value);
  form.append("file", new Blob(["ten bytes."]), "deployment.tar.gz");
  const { status } = await fetch(`${sluice.origin}/api/v1/artifacts/upload`, { method: "POST", body: form });
  if (status !== 204) throw new Error(`upload: ${status}`);
  return String(body["artifactKey"]);
}

/** What `syncEnvVars` of `@trigger.dev/build` adds to a build. */
const SYNC_EXTENSION = `{
  name: "sync",
  onBuildComplete(context) {
    const deploy = { env: { SYNCED_PLAIN: "in sight" }, secretEnv: { SYNCED_SECRET: "out of sight" }, override: true };
    context.addLayer({ id: "sync", deploy });
  },
}`;
