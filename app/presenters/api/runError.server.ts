/** Stored errors as the API shows them. */
import type { TaskRunError } from "@trigger.dev/core/v3/schemas";

export type PresentedError = {
  message: string;
  name?: string;
  stackTrace?: string;
  causes?: { name?: string; message?: string; stackTrace?: string }[];
};

/** The wire error of a stored one; text that is no wire error reads as a plain message. */
export function storedError(text: string): TaskRunError {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && "type" in value) return value as TaskRunError;
  } catch {
    // Falls through: an unreadable error is still shown.
  }
  return { type: "STRING_ERROR", raw: text };
}

/** Name, message and stack for people. The library is loaded with the first failed run that is shown. */
export async function presentError(text: string): Promise<PresentedError> {
  const error = storedError(text);
  if (error.type === "INTERNAL_ERROR" && error.message) return { message: error.message, name: error.code, stackTrace: error.stackTrace };
  const { createJsonErrorObject } = await import("@trigger.dev/core/v3/errors");
  return createJsonErrorObject(error);
}
