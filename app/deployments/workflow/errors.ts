/**
 * Errors of the workflow. They are journalled as data and rebuilt when a step is replayed, so nothing may ask
 * `instanceof` of a rebuilt one: `code` says what it is.
 */

export type DeployErrorCode =
  | "cancelled"
  | "ended"
  | "superseded"
  | "timed_out"
  | "invalid_configuration"
  | "build_failed"
  | "builder_lost"
  | "no_worker"
  | "regions_unhealthy"
  | "internal";

/** A step cannot succeed any more; it is not tried again. `message` is for people. */
export class DeployError extends Error {
  override readonly name: string = "DeployError";
  constructor(
    readonly code: DeployErrorCode,
    message: string,
    readonly details: { stderr?: string; cause?: unknown } = {}
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
  }
}

/** Another process is the deployer now. Never journalled, never shown: whoever holds the old epoch stops where it is. */
export class FencedError extends Error {
  override readonly name = "FencedError";
  constructor() {
    super("This process is not the deployer any more.");
  }
}

/** An error as the journal keeps it. */
export type StoredError = {
  code: DeployErrorCode;
  name: string;
  message: string;
  stack?: string;
  stderr?: string;
  cause?: StoredError;
  parts?: StoredError[];
};

const MAX_DEPTH = 5;

/** Small JSON of anything that was thrown. */
export function storeError(error: unknown, depth = 0): StoredError {
  if (!(error instanceof Error)) return { code: "internal", name: "Error", message: String(error) };
  const stored: StoredError = { code: codeOf(error), name: error.name, message: error.message };
  if (error.stack && !(error instanceof DeployError)) stored.stack = error.stack;
  if (error instanceof DeployError && error.details.stderr) stored.stderr = error.details.stderr;
  if (depth >= MAX_DEPTH) return stored;
  if (error.cause !== undefined) stored.cause = storeError(error.cause, depth + 1);
  if (error instanceof AggregateError) stored.parts = error.errors.map((part) => storeError(part, depth + 1));
  return stored;
}

/** What `storeError` took apart, as an error again. */
export function reviveError(stored: StoredError): Error {
  const error = stored.parts
    ? new AggregateError(stored.parts.map(reviveError), stored.message)
    : new DeployError(stored.code, stored.message, {
        ...(stored.stderr === undefined ? {} : { stderr: stored.stderr }),
        ...(stored.cause === undefined ? {} : { cause: reviveError(stored.cause) }),
      });
  Object.defineProperty(error, "name", { value: stored.name });
  if (stored.stack) error.stack = stored.stack;
  return error;
}

/** `internal` for whatever did not come from a rule of ours; a combined error is what its first part is. */
export function codeOf(error: unknown): DeployErrorCode {
  if (error instanceof DeployError) return error.code;
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  return "internal";
}

const CONNECTION_CODES = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "57P01", "57P02", "57P03", "53300"]);
const CONNECTION_TEXT = /connection terminated|timeout exceeded when trying to connect|client has encountered a connection error/i;

/** The database is away: that says nothing about the deployment, so such attempts are not counted. */
export function isConnectionLoss(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.every(isConnectionLoss);
  const code = String((error as { code?: unknown }).code ?? "");
  return CONNECTION_CODES.has(code) || code.startsWith("08") || CONNECTION_TEXT.test(error.message);
}
