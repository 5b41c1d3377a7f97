/**
 * The two expected error families. `AppError` is the caller's to mend and carries the public text; `RetryableError` is
 * ours and passes. Anything else that is thrown is a bug: 500 with an id, the details only in the log.
 */

/** Machine-readable reason beside the text; snake_case. */
export type ErrorCode = string;

export class AppError extends Error {
  override readonly name = "AppError";
  constructor(
    readonly code: ErrorCode,
    /** HTTP status, 400 to 499. */
    readonly status: number,
    /** Shown to the caller: what is wrong, with what, and the next move. */
    message: string,
    readonly headers: Readonly<Record<string, string>> = {}
  ) {
    super(message);
  }
}

/** Its answer is `{"error"}` alone, because the protocol fixes the whole body. */
export class PlainError extends AppError {}

/** Answered as 503 with Retry-After: nothing was done, or the outcome is the same when repeated. */
export class RetryableError extends Error {
  override readonly name = "RetryableError";
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly retryAfterSeconds = 1
  ) {
    super(message);
  }
}

/** 409 is retried by the SDK and the CLI, so a conflict that will not pass says so. */
export function conflict(code: ErrorCode, message: string): AppError {
  return new AppError(code, 409, message, { "x-should-retry": "false" });
}
