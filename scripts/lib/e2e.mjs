/** What the end-to-end tests need: a build, Chromium, and the SDK and CLI in a tree of their own. */
import path from "node:path";
import { ensureBuild } from "./build.mjs";
import { ensurePackages } from "./packages.mjs";
import { ensureChromium } from "./programs.mjs";
import { root } from "./run.mjs";
import { runVitest } from "./vitest.mjs";

/** Runs them and returns their counts. */
export async function runEndToEnd(args = []) {
  await ensureChromium();
  await ensureBuild();
  await ensurePackages(path.join(root, "test/e2e/client"));
  return runVitest("vitest.e2e.config.ts", args);
}
