/** Runs a vitest configuration and counts what happened, from its own report. */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { root, runNode } from "./run.mjs";

/** `{passed, failed, skipped}`: `skipped` are names. A file that does not load counts as one failure. */
export async function runVitest(config, args = []) {
  const report = path.join(root, ".tmp", `${path.basename(config)}.json`);
  mkdirSync(path.dirname(report), { recursive: true });
  rmSync(report, { force: true });
  const flags = ["run", "--config", config, "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const code = await runNode("node_modules/vitest/vitest.mjs", [...flags, ...args]);
  const counts = existsSync(report) ? count(JSON.parse(readFileSync(report, "utf8"))) : { passed: 0, failed: 1, skipped: [] };
  // An error outside of any test fails the run although every test passed.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

function count(report) {
  const counts = { passed: 0, failed: 0, skipped: [] };
  for (const file of report.testResults) {
    if (file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed")) counts.failed++;
    for (const test of file.assertionResults) {
      if (test.status === "passed") counts.passed++;
      else if (test.status === "failed") counts.failed++;
      else counts.skipped.push(`${path.relative(root, file.name)}: ${test.fullName}`);
    }
  }
  return counts;
}

/** Adds two counts. */
export function addCounts(a, b) {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: [...a.skipped, ...b.skipped] };
}
