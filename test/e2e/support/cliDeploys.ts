/** Deployments by the unmodified CLI, and what the API says of them. */
import { expect } from "vitest";
import { makeProject, runCli } from "./devSession";
import { eventually, type Spawned } from "./processes";
import { type Credentials, type Sluice, startSluice } from "./sluice";

type Slug = keyof Credentials["environments"];
type Answer = { status: number; body: Record<string, unknown> };
export type Deployment = { id: string; version: string; shortCode: string; status: string };

const DEPLOY_TIMEOUT_MS = 150_000;
const FLAGS = ["--skip-update-check"];

/** A server with its agent, and a project that is deployed to it. */
export class CliDeploys {
  private constructor(
    readonly sluice: Sluice,
    readonly project: ReturnType<typeof makeProject>
  ) {}

  static async start(): Promise<CliDeploys> {
    return new CliDeploys(await startSluice({ agent: true }), makeProject());
  }

  async stop(): Promise<void> {
    this.project.remove();
    await this.sluice.remove();
  }

  /** The CLI as a process of its own. */
  cli(args: readonly string[], dir = this.project.dir): Spawned {
    return runCli(this.sluice, dir, [...args, ...FLAGS]);
  }

  /** `trigger deploy`, to its end. */
  async deploy(args: readonly string[] = [], dir = this.project.dir, timeoutMs = DEPLOY_TIMEOUT_MS) {
    const cli = this.cli(["deploy", ...args], dir);
    const timer = setTimeout(() => void cli.kill(), timeoutMs);
    const code = await cli.ended;
    clearTimeout(timer);
    return { code, output: cli.output() };
  }

  /** A call with the key of an environment, or with another one. */
  async send(slug: Slug | { key: string; branch: string }, method: string, pathname: string, body?: unknown): Promise<Answer> {
    const key = typeof slug === "string" ? this.sluice.credentials.environments[slug].secretKey : slug.key;
    const answer = await fetch(this.sluice.origin + pathname, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
        "x-trigger-api-version": "2025-07-16",
        ...(typeof slug === "string" ? {} : { "x-trigger-branch": slug.branch }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  }

  async current(slug: Slug): Promise<Deployment> {
    const { status, body } = await this.send(slug, "GET", "/api/v1/deployments/current");
    expect(status).toBe(200);
    return body as Deployment;
  }

  /** Newest first. */
  async listed(slug: Slug): Promise<Deployment[]> {
    const { body } = await this.send(slug, "GET", "/api/v1/deployments?page%5Bsize%5D=20");
    return (body as { data: Deployment[] }).data;
  }

  async newest(slug: Slug): Promise<Deployment> {
    return (await this.listed(slug))[0] as Deployment;
  }

  /** A run, once it is over. */
  async run(slug: Parameters<CliDeploys["send"]>[0], name: string, task = "hello"): Promise<Record<string, unknown>> {
    const { status, body } = await this.send(slug, "POST", `/api/v1/tasks/${task}/trigger`, { payload: { name } });
    expect(status).toBe(200);
    return eventually(`end of ${String(body["id"])}`, 60_000, async () => {
      const run = (await this.send(slug, "GET", `/api/v3/runs/${String(body["id"])}`)).body;
      return run["isCompleted"] ? run : null;
    });
  }

  /** As the CLI asks for it. */
  async previewKey(): Promise<string> {
    const answer = await fetch(`${this.sluice.origin}/api/v1/projects/${this.sluice.credentials.projectRef}/preview`, {
      headers: { authorization: `Bearer ${this.sluice.credentials.personalAccessToken}` },
    });
    return String(((await answer.json()) as { apiKey: string }).apiKey);
  }
}
