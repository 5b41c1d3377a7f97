/** Runs the project's own indexer, which imports every task file and registers the worker. */
import type { BuildLog } from "../log/buildLog";
import { BuildError } from "../errors";
import type { BuildAssignment } from "../protocol";
import { isBun } from "../../replicas/runtimes";
import type { BuildManifest } from "./rewrite";
import { failureOf, type CommandResult, type Sandbox } from "../sandbox";

export type IndexInput = {
  sandbox: Sandbox;
  log: BuildLog;
  dir: string;
  manifest: BuildManifest;
  assignment: BuildAssignment;
  /** Address of the server as the build reaches it. */
  apiUrl: string;
  /** True once the server has the worker. */
  isRegistered(): Promise<boolean>;
};

const TIMEOUT_MS = 5 * 60_000;
const HEAP_MB = 2_048;

/**
 * Resolves when the worker is registered. The exit status is not asked: the indexer ends with 0 although the server
 * refused its worker. Throws a BuildError with the server's text, or the error of the file that could not be imported.
 */
export async function indexRelease(input: IndexInput): Promise<void> {
  const { sandbox, log, dir, manifest } = input;
  log.write("info", "Indexing tasks.");
  const bun = isBun(manifest.runtime);
  const result = await sandbox.run({
    command: bun ? "bun" : sandbox.node,
    args: bun ? ["run", manifest.indexControllerEntryPoint] : [manifest.indexControllerEntryPoint],
    cwd: dir,
    env: variablesOf(input),
    timeoutMs: TIMEOUT_MS,
    levels: { stdout: "debug", stderr: "warn" },
  });
  if (await input.isRegistered()) return;
  throw indexFailure(result, sandbox);
}

function variablesOf({ assignment, apiUrl }: IndexInput): Record<string, string> {
  return {
    NODE_OPTIONS: `--max_old_space_size=${HEAP_MB}`,
    TRIGGER_PROJECT_ID: assignment.projectId,
    TRIGGER_PROJECT_REF: assignment.projectRef,
    TRIGGER_DEPLOYMENT_ID: assignment.friendlyId,
    TRIGGER_DEPLOYMENT_VERSION: assignment.version,
    TRIGGER_CONTENT_HASH: assignment.contentHash,
    TRIGGER_SECRET_KEY: assignment.token,
    TRIGGER_API_URL: apiUrl,
    ...(assignment.branchName === null ? {} : { TRIGGER_PREVIEW_BRANCH: assignment.branchName }),
  };
}

function indexFailure(result: CommandResult, sandbox: Sandbox): BuildError {
  const { mask } = sandbox.options;
  const refusal = refusalOf(result.stderr);
  if (refusal) return new BuildError(mask(refusal), { kind: "user", code: "index_refused", stderr: mask(result.stderr) });
  if (result.code === 0) {
    const stderr = mask(result.stderr.trim() || result.stdout.trim());
    return new BuildError("Indexing finished without registering a worker", { kind: "user", code: "index_no_worker", stderr });
  }
  const failed = failureOf(result, { what: "Indexing", code: "index_failed" }, mask);
  const named = errorOf(result.stderr);
  if (failed.kind === "no_space" || named === null) return failed;
  return new BuildError(mask(`Indexing failed: ${named}`), { kind: "user", code: "index_failed", stderr: failed.stderr });
}

/** The server's words, from the line in which the indexer says that its worker was not taken. */
function refusalOf(stderr: string): string | null {
  const line = stderr.split("\n").find((text) => text.includes("Failed to create background worker"));
  if (line === undefined) return null;
  try {
    const { error } = JSON.parse(line) as { error?: unknown };
    return typeof error === "string" ? error : null;
  } catch {
    return null;
  }
}

/** Message of the error that the indexer printed, as `util.inspect` prints it: one literal, or several with `+` between them. */
function errorOf(stderr: string): string | null {
  const at = stderr.indexOf("Failed to index deployment");
  const field = at < 0 ? null : /\bmessage:\s*/.exec(stderr.slice(at));
  if (!field) return null;
  const literal = /\s*(?:\+\s*)?(["'`])((?:\\.|(?!\1).)*)\1/sy;
  literal.lastIndex = at + field.index + field[0].length;
  let text = "";
  for (let part = literal.exec(stderr); part; part = /^\s*\+/.test(stderr.slice(literal.lastIndex)) ? literal.exec(stderr) : null) {
    text += part[2] ?? "";
  }
  const plain = text.replaceAll("\\n", "\n").replaceAll(/\\(["'`\\])/g, "$1");
  return plain.trim().slice(0, 2_000) || null;
}
