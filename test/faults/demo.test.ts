/** `npm run demo` against a server on a port and a data directory of its own, to its end. */
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repoRoot, spawnGroup } from "../e2e/support/processes";
import { type Sluice, startSluice } from "../e2e/support/sluice";

/** Two deployments and three runs, and the example's packages where they are not installed yet. */
const DEMO_TIMEOUT_MS = 600_000;

let sluice: Sluice;
beforeAll(async () => {
  sluice = await startSluice({ agent: true });
});
afterAll(() => sluice?.remove());

test(
  "the demo deploys twice, runs on both versions, goes back, and prints pages that exist",
  async () => {
    const demo = spawnGroup(process.execPath, [path.join(repoRoot, "scripts/demo.mjs")], {
      cwd: repoRoot,
      env: {
        ...{ PATH: process.env.PATH, HOME: process.env.HOME, SLUICE_DATA_DIR: sluice.dataDir, TRIGGER_TELEMETRY_DISABLED: "1" },
        NODE_OPTIONS: `--require=${path.join(repoRoot, "test/e2e/offline.cjs")}`,
      },
    });
    const code = await demo.ended;
    const output = demo.output();
    expect(code, output).toBe(0);
    const said = [...output.matchAll(/COMPLETED on \S+: (.+)$/gm)].map(
      ([, json = ""]) => (JSON.parse(json) as { message: string }).message
    );
    expect(said).toEqual(["Hello, Sluice", "Good morning, Sluice", "Hello, Sluice"]);
    expect(output).toContain("Cannot promote a deployment that is older than the current deployment.");
    const pages = [...output.matchAll(/ (http\S+\/deployments\/\S+)$/gm)].map(([, page = ""]) => page);
    expect(new Set(pages).size).toBeGreaterThanOrEqual(2);
    for (const page of pages) expect((await fetch(page, { redirect: "manual" })).status).toBe(302);
  },
  DEMO_TIMEOUT_MS
);
