/** Stack traces as their readers know the files: relative to the project, not by where a release lies on this machine. */
import path from "node:path";

/** How deep the CLI builds below the project; maps of releases that older agents built lead out of the release by this way. */
const BUILT_BELOW = "../../..";

type WithStack = { stackTrace?: unknown; causes?: unknown };

/** The body of a completion, the stack of its error and of what caused it rewritten; every other byte of other fields stays. */
export function withProjectPaths(text: string, dir: string): string {
  if (!text.includes('"stackTrace"')) return text;
  const body = JSON.parse(text) as { completion: { error?: WithStack } };
  const { error } = body.completion;
  if (!error) return text;
  rewrite(error, dir);
  if (Array.isArray(error.causes)) for (const cause of error.causes as WithStack[]) rewrite(cause, dir);
  return JSON.stringify(body);
}

function rewrite(error: WithStack, dir: string): void {
  if (typeof error.stackTrace === "string") error.stackTrace = projectPaths(error.stackTrace, dir);
}

/** `dir`: of the release, absolute. A bundle runs with files of its release only: whatever URL is left is one of the project. */
export function projectPaths(stack: string, dir: string): string {
  const above = path.resolve(dir, BUILT_BELOW);
  return [`file://${dir}/`, `${dir}/`, ...(above === "/" ? [] : [`file://${above}/`]), "file:///"].reduce(
    (text, prefix) => text.replaceAll(prefix, ""),
    stack
  );
}
