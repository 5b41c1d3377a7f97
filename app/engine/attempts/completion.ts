/** How an attempt ended, as a worker says it. Generous in what it accepts: a refused completion loses the run. */
import { z } from "zod";
import type { Completion } from "../types";

/** 10 MB: outputs from 128 KiB on are uploaded by the SDK, so more than this is a raw caller's mistake. */
export const MAX_OUTPUT_LENGTH = 10 * 1_024 * 1_024;
const INT4_MAX = 2_147_483_647;

const usage = z.object({ durationMs: z.number() }).optional();
const flushedMetadata = z.object({ data: z.string().optional(), dataType: z.string() }).optional();
const cause = z.object({ name: z.string().optional(), message: z.string(), stackTrace: z.string().optional() });
const error = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("BUILT_IN_ERROR"),
    name: z.string(),
    message: z.string(),
    stackTrace: z.string(),
    causes: z.array(cause).optional(),
  }),
  z.object({ type: z.literal("CUSTOM_ERROR"), raw: z.string() }),
  z.object({ type: z.literal("STRING_ERROR"), raw: z.string() }),
  // Any code: a newer client may send one that this release does not know.
  z.object({ type: z.literal("INTERNAL_ERROR"), code: z.string(), message: z.string().optional(), stackTrace: z.string().optional() }),
]);

export const completionSchema: z.ZodType<Completion> = z.discriminatedUnion("ok", [
  z.object({
    ok: z.literal(true),
    output: z.string().optional(),
    outputType: z.string().default("application/json"),
    usage,
    flushedMetadata,
  }),
  z.object({
    ok: z.literal(false),
    error,
    retry: z.object({ timestamp: z.number(), delay: z.number() }).optional(),
    skippedRetrying: z.boolean().optional(),
    usage,
    flushedMetadata,
  }),
]);

/** Milliseconds of the attempt as a whole number that fits the column. */
export function usageOf(completion: Completion): number {
  const ms = completion.usage?.durationMs ?? 0;
  return Number.isFinite(ms) ? Math.min(Math.max(Math.round(ms), 0), INT4_MAX) : 0;
}

/** An output that cannot be kept fails the run with a reason instead. */
export function bounded(completion: Completion): Completion {
  if (!completion.ok || (completion.output?.length ?? 0) <= MAX_OUTPUT_LENGTH) return completion;
  const message = `The output is larger than ${MAX_OUTPUT_LENGTH} characters. Return less, or store it and return a reference.`;
  const { usage: used, flushedMetadata: flushed } = completion;
  return { ok: false, error: { type: "INTERNAL_ERROR", code: "TASK_OUTPUT_ERROR", message }, usage: used, flushedMetadata: flushed };
}
