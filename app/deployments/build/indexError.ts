/** Errors that the indexer of a project reports: details are JSON in the place of the stack. They become text that says which file and why. */
import { createMask } from "../../../agent/build/log/mask";
import type { DeploymentErrorData } from "../ports";

type ImportFailure = { message?: unknown; file?: unknown; stack?: unknown };
const MAX_LISTED = 5;

/** The error with its details in the message and readable stacks; `secrets` are hidden everywhere. */
export function readableIndexError(error: DeploymentErrorData, secrets: Iterable<string>): DeploymentErrorData {
  const mask = createMask(secrets);
  const { details, stack } = detailsOf(error);
  const message = details.length > 0 ? `${error.message}: ${details.join("; ")}` : error.message;
  return {
    name: error.name,
    message: mask(message),
    ...(stack === undefined ? {} : { stack: mask(stack) }),
    ...(error.stderr === undefined ? {} : { stderr: mask(error.stderr) }),
  };
}

function detailsOf(error: DeploymentErrorData): { details: string[]; stack: string | undefined } {
  const value = parsed(error.stack);
  if (error.name === "TaskIndexingImportError" && Array.isArray(value)) return importFailures(value as ImportFailure[]);
  if (error.name === "TaskMetadataParseError") return { details: zodIssues(value), stack: error.stack };
  return { details: [], stack: error.stack };
}

function importFailures(failures: readonly ImportFailure[]): { details: string[]; stack: string } {
  const shown = failures.slice(0, MAX_LISTED);
  return {
    details: shown.map(({ file, message }) => `${String(file)}: ${String(message)}`),
    stack: failures.map(({ file, stack, message }) => `${String(file)}\n${String(stack ?? message)}`).join("\n\n"),
  };
}

function zodIssues(value: unknown): string[] {
  const issues = typeof value === "object" && value !== null && "zodIssues" in value ? value.zodIssues : null;
  if (!Array.isArray(issues)) return [];
  return (issues as { path?: unknown[]; message?: unknown }[])
    .slice(0, MAX_LISTED)
    .map(({ path, message }) => `${(path ?? []).join(".")}: ${String(message)}`);
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "") as unknown;
  } catch {
    return null;
  }
}
