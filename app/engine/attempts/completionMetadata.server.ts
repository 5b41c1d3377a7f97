/**
 * Metadata operations that a worker sends with the end of an attempt. For the run itself they travel in the completing
 * statement; those for its parent and root are committed before the answer.
 */
import { z } from "zod";
import type { Logger } from "../../platform/logger";
import type { RunListItem, RunStore } from "../../runops/runStore";
import { isRecord, parseJson, parseMetadata, type Metadata } from "./metadataText";
import type { HeaderView } from "../dequeue/runHeaders.server";
import type { FlushedMetadata } from "../types";
import { cleanText } from "../workers/wireErrors";

/** 256 KB of JSON. */
const MAX_METADATA_LENGTH = 256 * 1_024;
const MAX_TRIES = 10;

const operation = z.discriminatedUnion("type", [
  z.object({ type: z.literal("set"), key: z.string(), value: z.json() }),
  z.object({ type: z.literal("delete"), key: z.string() }),
  z.object({ type: z.literal("append"), key: z.string(), value: z.json() }),
  z.object({ type: z.literal("remove"), key: z.string(), value: z.json() }),
  z.object({ type: z.literal("increment"), key: z.string(), value: z.number() }),
  z.object({ type: z.literal("update"), value: z.record(z.string(), z.json()) }),
]);
const flushedSchema = z.object({
  metadata: z.record(z.string(), z.json()).optional(),
  operations: z.array(operation).optional(),
  parentOperations: z.array(operation).optional(),
  rootOperations: z.array(operation).optional(),
});
type Operation = z.output<typeof operation>;
export type MetadataChanges = z.output<typeof flushedSchema>;

export class CompletionMetadata {
  constructor(
    private readonly store: Pick<RunStore, "getRuns" | "updateMetadata">,
    private readonly log: Logger
  ) {}

  /** The changes in a completion, or null when there are none. Malformed ones are dropped: the completion itself must count. */
  parse(runId: string, flushed: FlushedMetadata | undefined): MetadataChanges | null {
    if (!flushed?.data) return null;
    const value = parseJson(flushed.data);
    const inner = flushed.dataType === "application/super+json" && isRecord(value) ? value["json"] : value;
    const parsed = flushedSchema.safeParse(inner);
    if (parsed.success) return parsed.data;
    this.log.warn("metadata.flush_malformed", { runId, dataType: flushed.dataType });
    return null;
  }

  /** The run's own metadata after the changes, for the completing statement; undefined when it stays as it is. */
  async own(header: HeaderView, changes: MetadataChanges): Promise<{ text: string; expectVersion: number } | undefined> {
    return this.changed(header.envId, header.id, { replace: changes.metadata, operations: changes.operations ?? [] });
  }

  /** Commits the run's own changes apart from a finish: the run goes on. */
  async applyOwn(header: HeaderView, changes: MetadataChanges): Promise<void> {
    await this.apply(header.envId, header.id, { replace: changes.metadata, operations: changes.operations ?? [] });
  }

  /** Commits what the run changes in its parent and its root (itself, when it is one). */
  async applyToAncestors(header: HeaderView, changes: MetadataChanges): Promise<void> {
    const parent = header.parentId ?? header.id;
    const root = header.rootId ?? header.id;
    await this.apply(header.envId, parent, { operations: changes.parentOperations ?? [] });
    await this.apply(header.envId, root, { operations: changes.rootOperations ?? [] });
  }

  private async apply(envId: string, runId: string, change: Change): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const update = await this.changed(envId, runId, change);
      if (!update || (await this.store.updateMetadata(envId, { runId, ...update }))) return;
    }
    this.log.warn("metadata.contended", { runId });
  }

  private async changed(envId: string, runId: string, change: Change): Promise<{ text: string; expectVersion: number } | undefined> {
    if (!change.replace && change.operations.length === 0) return undefined;
    const run = (await this.store.getRuns(envId, [runId])).get(runId);
    if (!run) return undefined;
    const next = await applyChange(run, change);
    const text = cleanText(JSON.stringify(run.metadataType === "application/super+json" ? { json: next } : next));
    if (text.length > MAX_METADATA_LENGTH) {
      this.log.warn("metadata.too_large", { runId, length: text.length });
      return undefined;
    }
    return { text, expectVersion: run.metadataVersion };
  }
}

type Change = { replace?: Metadata; operations: Operation[] };

async function applyChange(run: RunListItem, change: Change): Promise<Metadata> {
  const current = change.replace ?? parseMetadata(run.metadata, run.metadataType) ?? {};
  if (change.operations.length === 0) return current;
  // Imported on first use: it costs 54 MB, and most servers never see a metadata operation.
  const { applyMetadataOperations } = await import("@trigger.dev/core/v3");
  return applyMetadataOperations(current, change.operations).newMetadata;
}
