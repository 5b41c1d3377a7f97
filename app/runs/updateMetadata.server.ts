/**
 * Changes the metadata of a run, its parent and its root. Each document is read, changed and written back by
 * compare-and-set, committed before the answer; targets are changed in id order. Operations with keys that could reach
 * a prototype are refused before anything is written.
 */
import type { DeserializedJson } from "@trigger.dev/core";
import type { RunMetadataChangeOperation } from "@trigger.dev/core/v3/schemas";
import { z } from "zod";
import type { Clock } from "../platform/clock";
import type { RunListItem, RunStore } from "../runops/runStore";
import { AppError, RetryableError } from "../utils/appError";
import { runIdOf, runNotFound } from "./findRun";
import { parseMetadata, stringifyMetadata, type Metadata } from "./metadata.server";

const key = z.string().min(1, "must not be empty").max(1_024).refine(isSafeKey, "must not name __proto__, constructor or prototype");
const Operation = z.discriminatedUnion("type", [
  z.object({ type: z.literal("set"), key, value: z.unknown() }),
  z.object({ type: z.literal("delete"), key }),
  z.object({ type: z.literal("append"), key, value: z.unknown() }),
  z.object({ type: z.literal("remove"), key, value: z.unknown() }),
  z.object({ type: z.literal("increment"), key, value: z.number() }),
  z.object({ type: z.literal("update"), value: z.record(z.string(), z.unknown()) }),
]);
const operations = z.array(Operation).max(10_000);

/** Body of `PUT /api/v1/runs/:id/metadata`. */
export const MetadataBody = z.object({
  metadata: z.record(z.string(), z.unknown()).optional(),
  operations: operations.optional(),
  parentOperations: operations.optional(),
  rootOperations: operations.optional(),
});
export type MetadataBody = z.output<typeof MetadataBody>;
type Operation = z.output<typeof Operation>;

/** What one run's document goes through. */
type Change = { runId: string; replaceBy: Metadata | undefined; operations: readonly Operation[] };

/** Under a hundred concurrent writers of one document every round has one winner, so this many rounds end it. */
const MAX_ROUNDS = 200;
/** Late flushes are taken for an hour after a run has finished. */
const GRACE_MS = 3_600_000;

/** `$.`-keys are paths whose every segment is looked at; others are literal and only `__proto__` is special. */
function isSafeKey(text: string): boolean {
  if (!text.startsWith("$.")) return text !== "__proto__";
  const segments = text
    .slice(2)
    .split(/[.\\[\]"']+/)
    .filter(Boolean);
  return segments.length > 0 && !segments.some((part) => part === "__proto__" || part === "constructor" || part === "prototype");
}

type Deps = { store: Pick<RunStore, "getRuns" | "updateMetadata">; clock: Clock };

export class UpdateMetadataService {
  constructor(private readonly deps: Deps) {}

  /** The run's own document afterwards. Throws 404, 413 (over 256 KB), 422 (finished over an hour ago). */
  async call(input: { envId: string; run: string; body: MetadataBody }): Promise<Metadata> {
    const runId = runIdOf(input.run);
    const run = await this.#load(input.envId, runId);
    const own: Change = { runId, replaceBy: input.body.metadata, operations: input.body.operations ?? [] };
    const documents = new Map<string, Metadata>();
    for (const change of targets(run, own, input.body)) documents.set(change.runId, await this.#apply(input.envId, change));
    return documents.get(runId) ?? (await parseMetadata(run.metadata, run.metadataType)) ?? {};
  }

  async #apply(envId: string, change: Change): Promise<Metadata> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const run = await this.#load(envId, change.runId);
      this.#refuseLate(run);
      const next = await nextDocument(run, change);
      const text = stringifyMetadata(next);
      if (await this.deps.store.updateMetadata(envId, { runId: change.runId, text, expectVersion: run.metadataVersion })) return next;
    }
    throw new RetryableError("metadata_contended", "Too many writers change this run's metadata at once. Try again.");
  }

  async #load(envId: string, runId: string): Promise<RunListItem> {
    const run = (await this.deps.store.getRuns(envId, [runId])).get(runId);
    if (!run) throw runNotFound();
    return run;
  }

  #refuseLate(run: RunListItem): void {
    if (run.completedAt === null || this.deps.clock.now() - run.completedAt.getTime() <= GRACE_MS) return;
    throw new AppError("run_finished", 422, "This run finished more than an hour ago: its metadata can no longer change.");
  }
}

/** Changes by run, in id order, so that two flushes never wait for each other crosswise. A root run is its own parent and root. */
function targets(run: RunListItem, own: Change, body: MetadataBody): Change[] {
  const byRun = new Map<string, Change>();
  const add = (change: Change) => {
    const present = byRun.get(change.runId);
    if (present) byRun.set(change.runId, { ...present, operations: [...present.operations, ...change.operations] });
    else if (change.replaceBy !== undefined || change.operations.length > 0) byRun.set(change.runId, change);
  };
  const { id, parentId, rootId } = run.header;
  add(own);
  add({ runId: parentId ?? id, replaceBy: undefined, operations: body.parentOperations ?? [] });
  add({ runId: rootId ?? id, replaceBy: undefined, operations: body.rootOperations ?? [] });
  return [...byRun.values()].sort((a, b) => (a.runId < b.runId ? -1 : 1));
}

async function nextDocument(run: RunListItem, change: Change): Promise<Metadata> {
  const base = change.replaceBy ?? (await parseMetadata(run.metadata, run.metadataType)) ?? {};
  if (change.operations.length === 0) return base;
  const { applyMetadataOperations } = await import("@trigger.dev/core/v3");
  const { newMetadata } = applyMetadataOperations(
    base as Record<string, DeserializedJson>,
    change.operations as RunMetadataChangeOperation[]
  );
  return newMetadata;
}
