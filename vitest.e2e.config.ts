import path from "node:path";
import { defineConfig } from "vitest/config";

/** The real server, SDK, CLI and browser; each file starts its own server on a scratch data directory. */
export default defineConfig({
  resolve: { alias: { "~": path.resolve(import.meta.dirname, "app") } },
  test: {
    include: ["test/e2e/**/*.test.ts"],
    exclude: ["**/node_modules/**", "test/e2e/client/**"],
    globalSetup: ["test/globalSetup.ts"],
    environment: "node",
    fileParallelism: false,
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
