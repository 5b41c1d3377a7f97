/** What the CLI prints about a worker that was registered. */

/** The CLI knows two codes only and fails the build on any other; it prints the message. */
const WARNING_CODE = "schedule_minimum_window";

/** One warning a task that declares limits which nothing enforces. */
export function workerWarnings(tasksWithUnsupportedLimits: readonly string[]): { code: string; message: string }[] {
  return tasksWithUnsupportedLimits.map((task) => ({
    code: WARNING_CODE,
    message: `Task "${task}" declares concurrency limits (concurrency, concurrencyLimit) that this server does not enforce yet. Use queue.concurrencyLimit.`,
  }));
}
