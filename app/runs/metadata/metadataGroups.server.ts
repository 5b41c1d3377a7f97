/**
 * Applies changes to metadata documents. Changes of one run that wait at the same time share one read and one
 * compare-and-set, so a hundred children counting in their root cost a few statements instead of ten thousand. Between
 * processes the compare-and-set decides, and the loser starts over from what it finds.
 */
import type { DeserializedJson } from "@trigger.dev/core";
import type { RunMetadataChangeOperation } from "@trigger.dev/core/v3/schemas";
import type { Clock } from "../../platform/clock";
import type { RunListItem, RunStore } from "../../runops/runStore";
import { AppError, RetryableError } from "../../utils/appError";
import { runNotFound } from "../findRun";
import { parseMetadata, stringifyMetadata, type Metadata } from "./metadata.server";

/** What one call does to one run's document: replace it, then run operations on it. */
export type MetadataChange = { replaceBy: Metadata | undefined; operations: readonly RunMetadataChangeOperation[] };

type Waiting = { change: MetadataChange; resolve(document: Metadata): void; reject(error: unknown): void };
type Target = { envId: string; runId: string };
type Applied = { waiting: Waiting; error: unknown };

/** Bounds the time that one statement's documents take to build. */
const MAX_GROUP = 50;
/** Other processes may win that often in a row before the callers are asked to come again. */
const MAX_ROUNDS = 50;
/** Late flushes are taken for an hour after a run has finished. */
const METADATA_GRACE_MS = 3_600_000;

type Deps = { store: Pick<RunStore, "getRuns" | "updateMetadata">; clock: Clock };

export class MetadataGroups {
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(private readonly deps: Deps) {}

  /** The document once the change is committed. Throws 404, 413 (over 256 KB), 422 (finished over an hour ago). */
  apply(target: Target, change: MetadataChange): Promise<Metadata> {
    return new Promise((resolve, reject) => {
      const key = `${target.envId} ${target.runId}`;
      const open = this.#waiting.get(key);
      if (open) open.push({ change, resolve, reject });
      else {
        this.#waiting.set(key, [{ change, resolve, reject }]);
        void this.#drain(key, target);
      }
    });
  }

  async #drain(key: string, target: Target): Promise<void> {
    const queue = this.#waiting.get(key) ?? [];
    while (queue.length > 0) {
      const group = queue.splice(0, MAX_GROUP);
      try {
        await this.#commit(target, group);
      } catch (error) {
        for (const waiting of group) waiting.reject(error);
      }
    }
    this.#waiting.delete(key);
  }

  async #commit(target: Target, group: readonly Waiting[]): Promise<void> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const run = await this.#load(target);
      const { document, applied } = await applyAll(run, group);
      const written = applied.some(({ error }) => error === null);
      const update = { runId: target.runId, text: stringifyMetadata(document), expectVersion: run.metadataVersion };
      if (written && !(await this.deps.store.updateMetadata(target.envId, update))) continue;
      for (const { waiting, error } of applied) {
        if (error === null) waiting.resolve(document);
        else waiting.reject(error);
      }
      return;
    }
    throw new RetryableError("metadata_contended", "Too many writers change this run's metadata at once. Try again.");
  }

  async #load({ envId, runId }: Target): Promise<RunListItem> {
    const run = (await this.deps.store.getRuns(envId, [runId])).get(runId);
    if (!run) throw runNotFound();
    if (isTooLate(run, this.deps.clock)) {
      throw new AppError("run_finished", 422, "This run finished more than an hour ago: its metadata can no longer change.");
    }
    return run;
  }
}

/** True when a run finished so long ago that its document is closed. */
export function isTooLate(run: Pick<RunListItem, "completedAt">, clock: Clock): boolean {
  return run.completedAt !== null && clock.now() - run.completedAt.getTime() > METADATA_GRACE_MS;
}

/** Each change on top of the ones before it; one that fails (too large) leaves no trace and fails alone. */
async function applyAll(run: RunListItem, group: readonly Waiting[]): Promise<{ document: Metadata; applied: Applied[] }> {
  let document = (await parseMetadata(run.metadata, run.metadataType)) ?? {};
  const applied: Applied[] = [];
  for (const waiting of group) {
    try {
      const next = await applyChange(document, waiting.change);
      stringifyMetadata(next);
      document = next;
      applied.push({ waiting, error: null });
    } catch (error) {
      applied.push({ waiting, error });
    }
  }
  return { document, applied };
}

/** The library is loaded with the first operation: it costs half a second and 54 MB that most processes never need. */
async function applyChange(document: Metadata, change: MetadataChange): Promise<Metadata> {
  const base = change.replaceBy ?? document;
  if (change.operations.length === 0) return base;
  const { applyMetadataOperations } = await import("@trigger.dev/core/v3");
  return applyMetadataOperations(base as Record<string, DeserializedJson>, [...change.operations]).newMetadata;
}
