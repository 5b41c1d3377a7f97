/** Reads a run's metadata. */
import type { RunStore } from "../../runops/runStore";
import { runIdOf, runNotFound } from "../findRun";
import { parseMetadata, type Metadata } from "./metadata.server";

export class GetMetadataService {
  constructor(private readonly deps: { store: Pick<RunStore, "getRuns"> }) {}

  /** The document, empty when none was ever set. Throws 404. */
  async call(input: { envId: string; run: string }): Promise<Metadata> {
    const id = runIdOf(input.run);
    const run = (await this.deps.store.getRuns(input.envId, [id])).get(id);
    if (!run) throw runNotFound();
    return (await parseMetadata(run.metadata, run.metadataType)) ?? {};
  }
}
