/** The last lines of a test command. */
import { say } from "./run.mjs";

/** Names what was skipped, which counts as failed: a test that does not run shows nothing. Sets the exit code. */
export function reportCounts({ passed, failed, skipped }) {
  if (skipped.length > 0) say(`\n${skipped.length} did not run, and count as failed:\n${skipped.map((name) => `  ${name}`).join("\n")}`);
  const total = failed + skipped.length;
  process.exitCode = total > 0 || passed === 0 ? 1 : 0;
  say(`\n${passed} passed, ${total} failed`);
}
