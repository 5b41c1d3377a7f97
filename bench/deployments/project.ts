/** A copy of examples/hello-world with a task of the benchmark's own, and the real CLI that deploys it. */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { ROOT, type Credentials } from "../server";

export const TASK = "bench";

const EXAMPLE = path.join(ROOT, "examples/hello-world");
const DEPLOY_TIMEOUT_MS = 300_000;

/** Its first line answers the question; `holdMs` keeps the replica busy, so that the next run needs another one. */
const TASK_SOURCE = `import { task } from "@trigger.dev/sdk";

export const bench = task({
  id: "${TASK}",
  run: async ({ holdMs }: { holdMs: number }) => {
    const at = Date.now();
    if (holdMs > 0) await new Promise((resolve) => setTimeout(resolve, holdMs));
    return { at, pid: process.pid };
  },
});
`;

export class BenchProject {
  private edits = 0;

  private constructor(private readonly dir: string) {}

  /** Inside the example's folder, so that its installed packages are found; Node refuses to copy a folder into itself as a whole. */
  static create(): BenchProject {
    const dir = mkdtempSync(path.join(EXAMPLE, ".bench-"));
    for (const name of readdirSync(EXAMPLE).filter((entry) => !/^(\.|node_modules$)/.test(entry)))
      cpSync(path.join(EXAMPLE, name), path.join(dir, name), { recursive: true });
    writeFileSync(path.join(dir, "src/trigger/bench.ts"), TASK_SOURCE);
    return new BenchProject(dir);
  }

  /** Another version: a source file differs, the lock file does not. */
  edit(): void {
    this.edits += 1;
    writeFileSync(path.join(this.dir, "src/greeting.ts"), `export const greeting = "Hello ${this.edits}";\n`);
  }

  /** `trigger deploy` to prod; milliseconds from the command to its exit with 0. Throws with its output on any other end. */
  async deploy(origin: URL, credentials: Credentials): Promise<number> {
    const cli = path.join(EXAMPLE, "node_modules/trigger.dev/dist/esm/index.js");
    const begun = performance.now();
    const child = spawn(process.execPath, [cli, "deploy", "--skip-update-check"], {
      cwd: this.dir,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: DEPLOY_TIMEOUT_MS,
      killSignal: "SIGKILL",
      env: {
        NODE_ENV: "production",
        PATH: process.env.PATH,
        HOME: this.dir,
        NODE_OPTIONS: `--require=${path.join(ROOT, "test/e2e/offline.cjs")}`,
        TRIGGER_ACCESS_TOKEN: credentials.personalAccessToken,
        TRIGGER_API_URL: origin.origin,
        TRIGGER_TELEMETRY_DISABLED: "1",
        SLUICE_PROJECT_REF: credentials.projectRef,
      },
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    if (code !== 0) throw new Error(`trigger deploy ended with ${code}:\n${output.slice(-3_000)}`);
    return performance.now() - begun;
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
