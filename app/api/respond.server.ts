/** The only place that knows how outcomes and errors become HTTP answers. */
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { AppError, RetryableError } from "../utils/appError";
import { errorMessage, type Logger } from "../platform/logger";

/** A JSON answer. Undefined fields are left out, as the clients' schemas want. */
export function jsonResponse(body: unknown, init: { status?: number; headers?: Record<string, string> } = {}): Response {
  return new Response(JSON.stringify(body), {
    status: init.status ?? 200,
    headers: { "content-type": "application/json; charset=utf-8", ...init.headers },
  });
}

/** `{"error": text}` with a status. */
export function errorResponse(status: number, message: string, headers: Record<string, string> = {}, extra: Record<string, unknown> = {}): Response {
  return jsonResponse({ error: message, ...extra }, { status, headers });
}

/** First problem of a failed parse as one sentence that names the field. */
export function describeZodError(error: z.ZodError, where: string): string {
  const issue = error.issues[0];
  if (!issue) return `The ${where} is not valid.`;
  const field = issue.path.map(String).join(".");
  return field ? `Invalid ${where}: ${field}: ${issue.message}` : `Invalid ${where}: ${issue.message}`;
}

/** Turns anything thrown into an answer; a bug is logged with an id that the answer repeats, never with its stack. */
export function toErrorResponse(error: unknown, log: Logger, request: { method: string; path: string }): Response {
  if (error instanceof Response) return error;
  if (error instanceof AppError) {
    const id = errorId();
    log.info("request.refused", { id, method: request.method, path: request.path, status: error.status, code: error.code });
    return errorResponse(error.status, error.message, { "x-request-id": id, ...error.headers }, { code: error.code });
  }
  if (error instanceof RetryableError) {
    log.warn("request.retryable", { ...request, code: error.code, message: error.message });
    return errorResponse(503, error.message, { "retry-after": String(error.retryAfterSeconds) }, { code: error.code });
  }
  const id = errorId();
  log.error("request.failed", { id, ...request, message: errorMessage(error), stack: error instanceof Error ? error.stack : undefined });
  return errorResponse(500, `Something went wrong on our side. Look for ${id} in the server's log.`, { "x-request-id": id });
}

function errorId(): string {
  return `req_${randomBytes(6).toString("hex")}`;
}
