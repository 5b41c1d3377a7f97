/** Adds tags to a run, live or finished. */
import type { RunStore } from "../runops/runStore";
import { AppError } from "../utils/appError";
import { runIdOf, runNotFound } from "./findRun";
import { resolveTags } from "./trigger/resolveTrigger";
import { MAX_TAGS } from "./types";

export class AddTagsService {
  constructor(private readonly deps: { store: Pick<RunStore, "addTags"> }) {}

  /** The run's tags afterwards. Throws 422 when the union would exceed ten, with nothing added. */
  async call(input: { envId: string; run: string; tags: string | string[] }): Promise<string[]> {
    const runId = runIdOf(input.run);
    const added = resolveTags(input.tags);
    const tags = await this.deps.store.addTags(input.envId, runId, added, MAX_TAGS);
    if (tags === undefined) throw runNotFound();
    if (tags === null) {
      throw new AppError(
        "too_many_tags",
        422,
        `A run can have ${MAX_TAGS} tags, and these ${added.length} would exceed that. Nothing was added.`
      );
    }
    return tags;
  }
}
