/** The fields of the supervisor protocol that the agent itself reads. Messages are handed to processes whole. */
import { z } from "zod";

/** Core's `DequeuedMessage`; fields that are not named here are kept. */
export const dequeuedMessageSchema = z.looseObject({
  version: z.literal("1"),
  dequeuedAt: z.string(),
  snapshot: z.looseObject({ friendlyId: z.string() }),
  backgroundWorker: z.looseObject({ version: z.string() }),
  deployment: z.looseObject({ id: z.string().optional(), friendlyId: z.string().optional() }),
  run: z.looseObject({
    friendlyId: z.string(),
    machine: z.looseObject({ name: z.string(), cpu: z.number(), memory: z.number() }),
  }),
  environment: z.looseObject({ id: z.string() }),
});
export type DequeuedMessage = z.output<typeof dequeuedMessageSchema>;

/** What the agent reads of the answer to `attempts/start`. */
export const startAnswerSchema = z.looseObject({
  snapshot: z.looseObject({ friendlyId: z.string() }),
  envVars: z.record(z.string(), z.string()),
});

/** What the agent reads of a completion. */
export const completionBodySchema = z.looseObject({
  completion: z.looseObject({
    ok: z.boolean(),
    id: z.string(),
    retry: z.unknown().optional(),
    error: z.looseObject({ type: z.string() }).optional(),
  }),
});

/** What the agent reads of the answer to `attempts/complete`. */
export const completeAnswerSchema = z.looseObject({
  result: z.looseObject({
    attemptStatus: z.string(),
    snapshot: z.looseObject({ friendlyId: z.string() }),
  }),
});
