import { defineConfig } from "@trigger.dev/sdk";

export default defineConfig({
  // Your project's reference is in .sluice/credentials.json; `npm run demo` passes it in.
  project: process.env.SLUICE_PROJECT_REF ?? "proj_set_me",
  runtime: "node",
  dirs: ["./src/trigger"],
  maxDuration: 300,
  // Keeps the process of a finished run for the next one: a warm run starts in milliseconds, and module state outlives a run.
  processKeepAlive: true,
});
