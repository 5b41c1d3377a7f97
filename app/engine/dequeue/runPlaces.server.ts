/** Environment and region of runs in progress, for callers that know a run only by its id. */
import type { RunPlace, RunStore } from "../../runops/runStore";
import { LruMap } from "../lruMap";
import { runNotFound } from "./runHeaders.server";

const MAX_PLACES = 20_000;

export class RunPlaces {
  private readonly cache = new LruMap<string, RunPlace>(MAX_PLACES);

  constructor(private readonly store: Pick<RunStore, "placeOf">) {}

  /** A run was handed out here just now. */
  remember(runId: string, place: RunPlace): void {
    this.cache.set(runId, place);
  }

  /** The environment of a run that `region` hands out; AppError 404 for any other run, so that it looks like none. */
  async requireIn(region: string, runId: string): Promise<string> {
    const cached = this.cache.get(runId);
    if (cached?.region === region) return cached.envId;
    // A run may have been moved since it was remembered.
    const place = await this.store.placeOf(runId);
    if (place?.region !== region) throw runNotFound();
    this.cache.set(runId, place);
    return place.envId;
  }
}
