/** Keeps the index and held polls in step with configuration that any process changed. */
import type { ConfigChange, ConfigChanges, EnvironmentDirectory } from "../environments/types";
import { errorMessage, type Logger } from "../platform/logger";
import type { DequeueHub } from "./dequeue/dequeueHub.server";
import type { LimitsChangedService } from "./limits.server";
import type { PromotePendingVersionsService } from "./versions/pendingVersions.server";

type FollowDeps = {
  changes: ConfigChanges;
  directory: Pick<EnvironmentDirectory, "byId">;
  limits: LimitsChangedService;
  hub: DequeueHub;
  pending: PromotePendingVersionsService;
  log: Logger;
};

/** Returns the unsubscribe. Changes of one environment that arrive together (a registration touches many queues) are one refresh. */
export function followChanges(deps: FollowDeps): () => void {
  const refreshing = new Map<string, { again: boolean }>();
  const refresh = async (envId: string): Promise<void> => {
    const running = refreshing.get(envId);
    if (running) {
      running.again = true;
      return;
    }
    const mine = { again: false };
    refreshing.set(envId, mine);
    try {
      do {
        mine.again = false;
        await deps.limits.call(envId, false);
      } while (mine.again);
    } catch (error) {
      deps.log.warn("limits.refresh_failed", { envId, message: errorMessage(error) });
    } finally {
      refreshing.delete(envId);
    }
  };
  return deps.changes.subscribe((change) => {
    if (change.id === null) return;
    if (change.scope === "environment" || change.scope === "queue") void refresh(change.id);
    if (change.scope === "environment" || change.scope === "key" || change.scope === "worker") void endPolls(deps, change);
    if (change.scope === "worker") void promote(deps, change.id);
  });
}

/** A process that had not heard of the new version may have parked runs for it in the meantime. */
async function promote({ pending, log }: FollowDeps, envId: string): Promise<void> {
  try {
    await pending.call(envId);
  } catch (error) {
    log.warn("pending_version.failed", { envId, message: errorMessage(error) });
  }
}

/** A held poll was authorised when it came: it has to come again, with a key that is still good and the newest worker. */
async function endPolls({ directory, hub, log }: FollowDeps, { id }: ConfigChange): Promise<void> {
  try {
    const env = id ? await directory.byId(id) : null;
    // Agents poll for their whole region and read the current version when a run is handed over.
    if (env?.type === "DEVELOPMENT") hub.answerEmpty(env.region);
  } catch (error) {
    log.warn("polls.end_failed", { envId: id, message: errorMessage(error) });
  }
}
