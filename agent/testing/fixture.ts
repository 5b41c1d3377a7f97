/** An agent in the test's process, or as a process of its own, against a server in the test's process. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { silentLogger } from "../../app/platform/logger";
import { RegionAgent } from "../agent";
import { parseOptions } from "../options";
import { compile } from "../../test/support/compiled";
import { MARKER, processesOf, signal } from "../replicas/proc";
import { AgentState } from "../state";
import { AgentServer } from "./agentServer";
import { packProgram, type ProgramOptions } from "./program";

const DEADLINE_MS = 20_000;

/** Polls until `what` holds; the text of the failure names it. */
export async function eventually(name: string, what: () => boolean, deadlineMs = DEADLINE_MS): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (!what()) {
    if (Date.now() > deadline) throw new Error(`${name}: not within ${deadlineMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export class Fixture {
  readonly server = new AgentServer();
  readonly dataDir = mkdtempSync(path.join(os.tmpdir(), "sluice-agent-"));
  private readonly archives: string[] = [];
  private readonly agents = new Set<RegionAgent>();
  private readonly children = new Set<ChildProcess>();
  private readonly seen = new Set<string>();

  static async create(): Promise<Fixture> {
    const fixture = new Fixture();
    await fixture.server.start();
    return fixture;
  }

  /** Digest of a small program as a release. */
  release(options: ProgramOptions = {}): string {
    const archive = packProgram(options);
    this.archives.push(archive);
    return this.server.addRelease(archive);
  }

  /** An agent in this process, connected. `flags` as on the command line. */
  async agent(flags: string[] = []): Promise<RegionAgent> {
    const options = parseOptions([...this.flags(), ...flags], {});
    const agent = new RegionAgent({ options, state: new AgentState(this.dataDir, options.name), log: silentLogger, now: Date.now });
    this.agents.add(agent);
    await agent.start();
    return agent;
  }

  /** An agent as a process that can be killed. */
  spawnAgent(flags: string[] = []): ChildProcess {
    const child = spawn(process.execPath, [compile("agent/main.ts"), ...this.flags(), ...flags], {
      env: { NODE_ENV: "test", PATH: process.env.PATH, LOG_LEVEL: "error", SLUICE_TEST_HOST_SECRET: "not for tasks" },
      stdio: ["ignore", "inherit", "inherit"],
    });
    this.children.add(child);
    return child;
  }

  async stopAgent(agent: RegionAgent, drainMs = 0): Promise<void> {
    this.agents.delete(agent);
    await agent.stop(drainMs);
  }

  /** Reported instances of a version in a state. */
  instances(deploymentId: string, state?: string) {
    for (const { runnerId } of this.server.instances) this.seen.add(runnerId);
    return this.server.instances.filter((instance) => instance.deploymentId === deploymentId && (!state || instance.state === state));
  }

  async running(deploymentId: string, count: number): Promise<void> {
    await eventually(`${count} running instances of ${deploymentId}`, () => this.instances(deploymentId, "running").length === count);
  }

  async close(): Promise<void> {
    for (const agent of this.agents) await agent.stop(0);
    for (const child of this.children) child.kill("SIGKILL");
    this.instances("");
    for (const name of this.seen) for (const pid of processesOf(name, null)) signal(pid, "SIGKILL");
    await this.server.stop();
    for (const archive of this.archives) rmSync(path.dirname(archive), { recursive: true, force: true });
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  private flags(): string[] {
    const { url, token } = this.server;
    return ["--url", url, "--token", token, "--region", "test", "--name", "tester", "--data-dir", this.dataDir, "--isolation", "L0"];
  }
}

export { MARKER };
