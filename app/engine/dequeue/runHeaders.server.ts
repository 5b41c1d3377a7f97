/** The immutable part of runs in progress: what a run is, and whose, without a read for every call of its worker. */
import type { RunHeader, RunStore } from "../../runops/runStore";
import { AppError } from "../../utils/appError";
import { LruMap } from "../lruMap";

/** A header without its payload, which may be megabytes. */
export type HeaderView = Omit<RunHeader, "payload">;

const MAX_HEADERS = 5_000;

export class RunHeaders {
  private readonly cache = new LruMap<string, HeaderView>(MAX_HEADERS);

  constructor(private readonly store: Pick<RunStore, "getRuns">) {}

  /** Keep a header that was read anyway. */
  remember(header: HeaderView): void {
    this.cache.set(header.id, header);
  }

  /** The header of a run of `envId`, or null when there is none there. */
  async find(envId: string, runId: string): Promise<HeaderView | null> {
    const cached = this.cache.get(runId);
    if (cached) return cached.envId === envId ? cached : null;
    const header = (await this.store.getRuns(envId, [runId])).get(runId)?.header;
    if (!header) return null;
    this.remember(header);
    return header;
  }

  /** As `find`; throws AppError 404 so that a run of another environment looks like none. */
  async require(envId: string, runId: string): Promise<HeaderView> {
    const header = await this.find(envId, runId);
    if (!header) throw runNotFound();
    return header;
  }
}

/** 404 in the words that the clients know. */
export function runNotFound(): AppError {
  return new AppError("run_not_found", 404, "Run not found");
}
