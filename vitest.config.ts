import path from "node:path";
import { defineConfig } from "vitest/config";

/** Unit, integration and contract tests. End-to-end tests have a configuration of their own: `vitest.e2e.config.ts`. */
export default defineConfig({
  resolve: { alias: { "~": path.resolve(import.meta.dirname, "app") } },
  test: {
    include: ["{app,agent,scripts,test,bench}/**/*.test.{ts,tsx}"],
    exclude: ["**/node_modules/**", "test/e2e/**", "test/faults/**"],
    globalSetup: ["test/globalSetup.ts"],
    environment: "node",
    // They wait for databases and processes as long as they compute: one more than the smallest machine has cores.
    maxWorkers: 3,
    // What is waited for comes; how soon is the machine's affair.
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
