import path from "node:path";
import { defineConfig, type UserWorkspaceConfig } from "vitest/config";

/** What every test against the real server, SDK, CLI or browser needs; each file starts its own server on a scratch data directory. */
export const shared = {
  resolve: { alias: { "~": path.resolve(import.meta.dirname, "app") } },
  test: {
    globalSetup: ["test/globalSetup.ts"],
    environment: "node",
    exclude: ["**/node_modules/**", "test/e2e/client/**"],
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
} satisfies UserWorkspaceConfig;

/** They wait for processes a third of the time, and nothing in them is timed: two at once save minutes, a third one nothing. */
const SIDE_BY_SIDE = ["deployFailures", "deploymentPages", "deploy", "dashboard", "sdk-calls"].map((name) => `test/e2e/${name}.test.ts`);

const { exclude } = shared.test;

export default defineConfig({
  test: {
    projects: [
      {
        ...shared,
        test: { ...shared.test, name: "e2e, two at a time", include: SIDE_BY_SIDE, maxWorkers: 2, sequence: { groupOrder: 1 } },
      },
      {
        ...shared,
        test: {
          ...shared.test,
          name: "e2e, alone",
          include: ["test/e2e/*.test.ts"],
          exclude: [...exclude, ...SIDE_BY_SIDE],
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
