/**
 * 53: CLIs from before this one, as users of yesterday have them: 4.6.0, the first that asks how to build, and 4.5.12,
 * which has to be told that the server builds. Each is installed from the registry, which is why `npm test` has no part of it.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DeployClient } from "../e2e/support/deployments";
import { cliEnvironment } from "../e2e/support/devSession";
import { repoRoot, spawnGroup } from "../e2e/support/processes";
import { type Sluice, startSluice } from "../e2e/support/sluice";

const INSTALL_TIMEOUT_MS = 600_000;
const DEPLOY_TIMEOUT_MS = 600_000;

let sluice: Sluice;
let root: string;

beforeAll(async () => {
  root = mkdtempSync(path.join(os.tmpdir(), "sluice-older-cli-"));
  sluice = await startSluice({ agent: true });
});
afterAll(async () => {
  await sluice?.remove();
  if (root) rmSync(root, { recursive: true, force: true });
});

async function npm(dir: string, args: string[]): Promise<void> {
  const child = spawnGroup("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error"], { cwd: dir, env: { ...process.env } });
  expect(await child.ended, child.output()).toBe(0);
}

/** The example with the SDK and the CLI of that version, installed. */
async function projectWith(version: string): Promise<string> {
  const dir = path.join(root, version);
  cpSync(path.join(repoRoot, "examples/hello-world"), dir, {
    recursive: true,
    filter: (source) => !/node_modules|\.demo|\.trigger|package-lock/.test(source),
  });
  const file = path.join(dir, "package.json");
  const text = readFileSync(file, "utf8");
  const manifest = JSON.parse(text) as { dependencies: Record<string, string>; devDependencies: Record<string, string> };
  manifest.dependencies["@trigger.dev/sdk"] = version;
  manifest.devDependencies["trigger.dev"] = version;
  writeFileSync(file, JSON.stringify(manifest, null, 2));
  await npm(dir, ["install"]);
  return dir;
}

test.each([
  ["4.6.0", []],
  ["4.5.12", ["--native-build-server"]],
])(
  "53: CLI %s deploys, and a run executes on the version",
  async (version, flags) => {
    const dir = await projectWith(version);
    const cli = spawnGroup(
      process.execPath,
      [path.join(dir, "node_modules/trigger.dev/dist/esm/index.js"), "deploy", "--skip-update-check", ...flags],
      { cwd: dir, env: cliEnvironment(sluice, dir) }
    );
    const timer = setTimeout(() => void cli.kill(), DEPLOY_TIMEOUT_MS);
    const code = await cli.ended;
    clearTimeout(timer);
    expect(code, cli.output()).toBe(0);
    const client = new DeployClient(() => sluice.origin, sluice.credentials.environments.prod.secretKey);
    const { body: current } = await client.send("GET", "/api/v1/deployments/current");
    expect(current, cli.output()).toMatchObject({ status: "DEPLOYED" });
    const run = await client.run("hello-world", { name: version });
    expect(run).toMatchObject({ status: "COMPLETED", version: current["version"], output: { message: `Hello, ${version}` } });
  },
  INSTALL_TIMEOUT_MS + DEPLOY_TIMEOUT_MS
);
