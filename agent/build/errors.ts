/** Why a build ended, sorted by whose turn it is: the user's code, the machine, the network, or somebody who cancelled. */

/** `user`: the project's; never tried again. `network`: tried again. `no_space`, `machine`: the builder's. */
export type BuildErrorKind = "user" | "network" | "no_space" | "machine" | "cancelled";

export type BuildErrorOptions = {
  kind: BuildErrorKind;
  /** Machine-readable, snake_case. */
  code: string;
  /** End of what the failed command wrote, masked; shown below the message. */
  stderr?: string;
  cause?: unknown;
};

export class BuildError extends Error {
  override readonly name = "BuildError";
  readonly kind: BuildErrorKind;
  readonly code: string;
  readonly stderr: string | undefined;

  constructor(message: string, options: BuildErrorOptions) {
    super(message, { cause: options.cause });
    this.kind = options.kind;
    this.code = options.code;
    this.stderr = options.stderr;
  }
}

const NO_SPACE_MESSAGE = "Builder has no disk space";
const NO_SPACE_TEXT = /\bENOSPC\b|\bEDQUOT\b|no space left on device|disk quota exceeded/i;
const NETWORK_TEXT =
  /\b(ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|EPIPE|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|UND_ERR_\w+)\b|socket hang up|network timeout|fetch failed|\b50[234] (Bad Gateway|Service Unavailable|Gateway Time-?out)/i;

/** True for text of a command that ran out of disk. */
export function saysNoSpace(text: string): boolean {
  return NO_SPACE_TEXT.test(text);
}

/** True for text of a command that could not reach a host; such commands are worth another try. */
export function saysNetwork(text: string): boolean {
  return NETWORK_TEXT.test(text);
}

/** Anything thrown inside a build as a BuildError: a full disk is recognised, whoever noticed it. */
export function toBuildError(error: unknown): BuildError {
  const text = error instanceof Error ? `${error.message} ${codeOf(error)}` : String(error);
  if (saysNoSpace(text)) return noSpace(error);
  if (error instanceof BuildError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new BuildError(`The builder failed: ${message}`, { kind: "machine", code: "builder_failed", cause: error });
}

/** The error of a full disk. `stderr`: what the command said, when one did. */
export function noSpace(cause: unknown, stderr?: string): BuildError {
  return new BuildError(NO_SPACE_MESSAGE, { kind: "no_space", code: "no_disk_space", cause, stderr });
}

/** The error of a build that somebody ended, or that another builder has taken over. */
export function cancelled(reason: string): BuildError {
  return new BuildError(reason, { kind: "cancelled", code: "cancelled" });
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}
