/** Keeps the index and held polls in step with configuration that any process changed. */
import type { ConfigChange, ConfigChanges, EnvironmentDirectory } from "../environments/types";
import { errorMessage, type Logger } from "../platform/logger";
import type { DequeueHub } from "./dequeueHub.server";
import type { LimitsChangedService } from "./limits.server";

type FollowDeps = {
  changes: ConfigChanges;
  directory: Pick<EnvironmentDirectory, "byId">;
  limits: LimitsChangedService;
  hub: DequeueHub;
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
    if (change.scope === "environment" || change.scope === "key") void endPolls(deps, change);
  });
}

/** A held poll was authorised when it came: it has to come again with a key that is still good. */
async function endPolls({ directory, hub, log }: FollowDeps, { id }: ConfigChange): Promise<void> {
  try {
    const env = id ? await directory.byId(id) : null;
    if (env) hub.answerEmpty(env.region);
  } catch (error) {
    log.warn("polls.end_failed", { envId: id, message: errorMessage(error) });
  }
}
