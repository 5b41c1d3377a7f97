/**
 * Errors of task runs on their way into the store. Whatever a worker sends is stored: a completion that is refused for its
 * content would be forgotten by the worker. So text is cleaned (NUL removed), cut, and made well-formed (cutting can split
 * a surrogate pair, which Postgres refuses).
 */
import type { StoredError } from "../../runops/runStore";
import type { WireError } from "../types";

const MAX_NAME = 1_024;
const MAX_TEXT = 16 * 1_024;
/** Of a stack that is too long, its first lines (where it was thrown) and its last ones (what led there) are kept. */
const STACK_TAIL = 4 * 1_024;
const MAX_CAUSES = 10;

/** The error as JSON text for `error` and `last_error`. */
export function storedError(error: WireError): StoredError {
  return JSON.stringify(cleanError(error));
}

/** The same error, safe to store and bounded in size. */
export function cleanError(error: WireError): WireError {
  switch (error.type) {
    case "BUILT_IN_ERROR":
      return {
        type: error.type,
        name: cut(error.name, MAX_NAME),
        message: cut(error.message, MAX_TEXT),
        stackTrace: cutStack(error.stackTrace),
        causes: error.causes?.slice(0, MAX_CAUSES).map((cause) => ({
          ...(cause.name === undefined ? {} : { name: cut(cause.name, MAX_NAME) }),
          message: cut(cause.message, MAX_TEXT),
          ...(cause.stackTrace === undefined ? {} : { stackTrace: cutStack(cause.stackTrace) }),
        })),
      };
    case "INTERNAL_ERROR":
      return {
        type: error.type,
        code: cut(error.code, MAX_NAME),
        ...(error.message === undefined ? {} : { message: cut(error.message, MAX_TEXT) }),
        ...(error.stackTrace === undefined ? {} : { stackTrace: cutStack(error.stackTrace) }),
      };
    case "STRING_ERROR":
      return { type: error.type, raw: cut(error.raw, MAX_TEXT) };
    case "CUSTOM_ERROR":
      return { type: error.type, raw: cleanRaw(error.raw) };
  }
}

/** Removes NUL characters and lone surrogates; for text whose length is bounded elsewhere (output, metadata). */
export function cleanText(text: string): string {
  return (text.includes("\0") ? text.replaceAll("\0", "") : text).toWellFormed();
}

/** `raw` is JSON that readers parse, so a cut value is wrapped in JSON again. */
function cleanRaw(raw: string): string {
  return raw.length <= MAX_TEXT ? cleanText(raw) : JSON.stringify({ truncated: true, preview: cut(raw, MAX_TEXT) });
}

function cut(text: string, max: number): string {
  return cleanText(text.length > max ? `${text.slice(0, max)}... (cut)` : text);
}

function cutStack(stack: string): string {
  if (stack.length <= MAX_TEXT) return cleanText(stack);
  return cleanText(`${stack.slice(0, MAX_TEXT - STACK_TAIL)}\n    ... (cut) ...\n${stack.slice(-STACK_TAIL)}`);
}
