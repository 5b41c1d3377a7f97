/** The only place that knows how outcomes and errors become HTTP answers. */
import { randomBytes } from "node:crypto";
import type { z } from "zod";
import { errorMessage, type Logger } from "../../platform/logger";
import { AppError, PlainError, RetryableError } from "../../utils/appError";
import { MissingScopeError } from "../scope";

const JSON_TYPE = "application/json; charset=utf-8";
const CLIENT_CLOSED = 499;

/** A JSON answer. Undefined fields are left out, as the clients' schemas want. */
export function jsonResponse(body: unknown, init: { status?: number; headers?: Record<string, string> } = {}): Response {
  return new Response(JSON.stringify(body), { status: init.status ?? 200, headers: { "content-type": JSON_TYPE, ...init.headers } });
}

/** `{"error": text}` with a status. */
export function errorResponse(
  status: number,
  message: string,
  headers: Record<string, string> = {},
  extra: Record<string, unknown> = {}
): Response {
  return jsonResponse({ error: message, ...extra }, { status, headers });
}

/** First problem of a failed parse as one sentence that names the field. */
export function describeZodError(error: z.ZodError, where: string): string {
  const issue = error.issues[0];
  if (!issue) return `The ${where} is not valid.`;
  const field = issue.path.map(String).join(".");
  return field ? `Invalid ${where}: ${field}: ${issue.message}` : `Invalid ${where}: ${issue.message}`;
}

/** The caller hung up before its request was complete: nobody reads the answer, and nothing failed. */
export class ClientGoneError extends Error {
  override readonly name = "ClientGoneError";
}

/**
 * Turns anything thrown into an answer and one log line. Both carry the same id (`x-request-id`); the details of a bug
 * are only in the log, never in the answer.
 */
export function toErrorResponse(error: unknown, log: Logger, request: { method: string; path: string }): Response {
  if (error instanceof Response) return error;
  const id = `req_${randomBytes(6).toString("hex")}`;
  if (error instanceof ClientGoneError) {
    log.debug("request.client_gone", { id, ...request });
    return new Response(null, { status: CLIENT_CLOSED });
  }
  if (error instanceof AppError) {
    log.info("request.refused", { id, ...request, status: error.status, code: error.code });
    const fields = error instanceof MissingScopeError ? error.fields : {};
    const extra = error instanceof PlainError ? {} : { code: error.code, ...fields };
    return errorResponse(error.status, error.message, { "x-request-id": id, ...error.headers }, extra);
  }
  if (error instanceof RetryableError) {
    log.warn("request.retryable", { id, ...request, code: error.code, message: error.message });
    const headers = { "x-request-id": id, "retry-after": String(error.retryAfterSeconds) };
    return errorResponse(503, error.message, headers, { code: error.code });
  }
  log.error("request.failed", { id, ...request, message: errorMessage(error), stack: error instanceof Error ? error.stack : undefined });
  return errorResponse(500, `Something went wrong on our side. Look for ${id} in the server's log.`, { "x-request-id": id });
}
