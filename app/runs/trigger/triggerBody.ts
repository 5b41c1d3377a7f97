/**
 * Bodies of trigger and replay. Unknown fields of a trigger are tolerated, as newer SDKs add some; a wrong type is
 * refused and named. The bounds that need another status than 400 (tags, payload, metadata) are checked by the service.
 */
import { z } from "zod";
import { MAX_IDEMPOTENCY_KEY_LENGTH, MAX_NAME_LENGTH } from "../types";

/** Refuses what Postgres cannot store in a text column, at the edge, with the field's name. */
const text = z.string().refine((value) => !value.includes("\0"), "must not contain NUL characters");
const name = text.max(MAX_NAME_LENGTH, `must be ${MAX_NAME_LENGTH} characters or less`);
/** Numbers are a common slip (`concurrencyKey: user.id`), and their meaning is plain. */
const concurrencyKey = z.union([name, z.number().transform(String)]);
const delay = z.union([text.max(100, "must be a date or a duration such as 30s, 2h, 1d"), z.number()]);
const ttl = z.union([text.max(100, "must be a duration such as 10m, or whole seconds"), z.number().int().nonnegative()]);
const tags = z.union([text, z.array(text).max(1_000)]);
const priority = z.number().min(-31_536_000).max(31_536_000);
const idempotencyKey = text.max(MAX_IDEMPOTENCY_KEY_LENGTH, `must be ${MAX_IDEMPOTENCY_KEY_LENGTH} characters or less`);
const maxAttempts = z.number().int().min(1, "must be at least 1").max(32_767);
const maxDuration = z.number().nonnegative();

/** Machine presets, smallest first. */
export const MACHINE_PRESETS = ["micro", "small-1x", "small-2x", "medium-1x", "medium-2x", "large-1x", "large-2x"] as const;
const machine = z.enum(MACHINE_PRESETS);

/** `options` of a trigger. */
export const TriggerOptions = z.object({
  payloadType: name.optional(),
  queue: z.object({ name: text.min(1, "must not be empty").max(1_024) }).optional(),
  concurrencyKey: concurrencyKey.optional(),
  concurrency: z.array(z.unknown()).optional(),
  gates: z.array(z.unknown()).optional(),
  idempotencyKey: idempotencyKey.optional(),
  idempotencyKeyTTL: text.max(100).optional(),
  idempotencyKeyOptions: z.object({ key: idempotencyKey, scope: z.enum(["run", "attempt", "global"]) }).optional(),
  delay: delay.optional(),
  ttl: ttl.optional(),
  tags: tags.optional(),
  maxAttempts: maxAttempts.optional(),
  maxDuration: maxDuration.optional(),
  machine: machine.optional(),
  priority: priority.optional(),
  region: name.optional(),
  metadata: z.unknown().optional(),
  metadataType: name.optional(),
  test: z.boolean().optional(),
  lockToVersion: name.optional(),
  externalDeploymentId: z.string().max(MAX_NAME_LENGTH).nullish(),
  parentRunId: name.optional(),
  resumeParentOnCompletion: z.boolean().optional(),
  debounce: z.unknown().optional(),
});

/** Body of `POST /api/v1/tasks/:taskId/trigger`. */
export const TriggerBody = z.object({ payload: z.unknown().optional(), options: TriggerOptions.optional() });

export type TriggerBody = z.output<typeof TriggerBody>;
export type TriggerOptions = z.output<typeof TriggerOptions>;

/** Body of a replay: every field replaces what the first run had; unknown ones are refused, so that a typo shows. */
export const ReplayBody = z
  .strictObject({
    payload: z.unknown().optional(),
    payloadType: z.enum(["application/json", "application/super+json"]).optional(),
    metadata: z.record(z.string(), z.unknown()).optional(),
    tags: tags.optional(),
    queue: text.min(1, "must not be empty").max(1_024).optional(),
    concurrencyKey: concurrencyKey.optional(),
    machine: machine.optional(),
    version: name.optional(),
    region: name.optional(),
    delay: delay.optional(),
    ttl: ttl.optional(),
    idempotencyKey: idempotencyKey.optional(),
    idempotencyKeyTTL: text.max(100).optional(),
    maxAttempts: maxAttempts.optional(),
    maxDuration: maxDuration.optional(),
    priority: priority.optional(),
  })
  .refine((body) => body.payloadType !== "application/super+json" || typeof body.payload === "string", {
    message: "must be a SuperJSON string when payloadType is application/super+json",
    path: ["payload"],
  });

export type ReplayBody = z.output<typeof ReplayBody>;
