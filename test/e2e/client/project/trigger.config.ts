import { defineConfig } from "@trigger.dev/sdk";

export default defineConfig({
  project: process.env.SLUICE_PROJECT_REF ?? "proj_set_me",
  runtime: "node",
  dirs: ["./src/trigger"],
  maxDuration: 300,
  processKeepAlive: true,
  retries: { enabledInDev: true, default: { maxAttempts: 3, minTimeoutInMs: 300, maxTimeoutInMs: 1000, factor: 1, randomize: false } },
});
