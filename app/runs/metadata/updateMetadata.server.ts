/**
 * Changes the metadata of a run, its parent and its root; committed before the answer. Targets are changed in id order,
 * which is root, parent, run. Operations with keys that could reach a prototype are refused before anything is written.
 */
import type { RunMetadataChangeOperation } from "@trigger.dev/core/v3/schemas";
import { z } from "zod";
import type { Clock } from "../../platform/clock";
import type { Logger } from "../../platform/logger";
import type { RunListItem, RunStore } from "../../runops/runStore";
import { runIdOf, runNotFound } from "../findRun";
import { parseMetadata, type Metadata } from "./metadata.server";
import { isTooLate, MetadataGroups, type MetadataChange } from "./metadataGroups.server";
import { RecentCalls } from "../trigger/recentCalls";

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

export type MetadataInput = {
  envId: string;
  run: string;
  body: MetadataBody;
  /** `x-trigger-request-idempotency-key`: an increment must not count twice because an answer was lost. */
  requestKey: string | null;
};

/** `$.`-keys are paths whose every segment is looked at; others are literal and only `__proto__` is special. */
function isSafeKey(text: string): boolean {
  if (!text.startsWith("$.")) return text !== "__proto__";
  const segments = text
    .slice(2)
    .split(/[.\\[\]"']+/)
    .filter(Boolean);
  return segments.length > 0 && !segments.some((part) => part === "__proto__" || part === "constructor" || part === "prototype");
}

type Deps = { store: Pick<RunStore, "getRuns" | "updateMetadata">; clock: Clock; log: Logger };
type Step = MetadataChange & { runId: string };

export class UpdateMetadataService {
  readonly #groups: MetadataGroups;
  readonly #recent: RecentCalls<Metadata>;

  constructor(private readonly deps: Deps) {
    this.#groups = new MetadataGroups(deps);
    this.#recent = new RecentCalls(deps.clock);
  }

  /** The run's own document afterwards. Throws 404, 413 (over 256 KB), 422 (finished over an hour ago). */
  async call(input: MetadataInput): Promise<Metadata> {
    const runId = runIdOf(input.run);
    const key = input.requestKey === null ? null : `${input.envId} ${runId} ${input.requestKey}`;
    return this.#recent.once(key, () => this.#change(runId, input));
  }

  async #change(runId: string, { envId, body }: MetadataInput): Promise<Metadata> {
    const own = (await this.deps.store.getRuns(envId, [runId])).get(runId);
    if (!own) throw runNotFound();
    let document: Metadata | undefined;
    for (const step of await this.#openSteps(envId, own, stepsOf(own, body))) {
      const changed = await this.#groups.apply({ envId, runId: step.runId }, step);
      if (step.runId === runId) document = changed;
    }
    return document ?? (await parseMetadata(own.metadata, own.metadataType)) ?? {};
  }

  /** A parent or root that is gone or closed must not keep a live child from changing its own document: it is left out. */
  async #openSteps(envId: string, own: RunListItem, steps: Step[]): Promise<Step[]> {
    const others = steps.map((step) => step.runId).filter((id) => id !== own.header.id);
    if (others.length === 0) return steps;
    const runs = await this.deps.store.getRuns(envId, others);
    return steps.filter(({ runId }) => {
      if (runId === own.header.id) return true;
      const run = runs.get(runId);
      if (run && !isTooLate(run, this.deps.clock)) return true;
      this.deps.log.info("metadata.target_closed", { envId, runId: own.header.id, targetId: runId });
      return false;
    });
  }
}

/** A root run is its own parent and root. */
function stepsOf(run: RunListItem, body: MetadataBody): Step[] {
  const { id, parentId, rootId } = run.header;
  const byRun = new Map<string, Step>();
  const add = (runId: string, replaceBy: Metadata | undefined, added: MetadataBody["operations"] = []) => {
    if (replaceBy === undefined && added.length === 0) return;
    const step = byRun.get(runId) ?? { runId, replaceBy, operations: [] };
    byRun.set(runId, { ...step, operations: [...step.operations, ...(added as RunMetadataChangeOperation[])] });
  };
  add(id, body.metadata, body.operations);
  add(parentId ?? id, undefined, body.parentOperations);
  add(rootId ?? id, undefined, body.rootOperations);
  return [...byRun.values()].sort((a, b) => (a.runId < b.runId ? -1 : 1));
}
