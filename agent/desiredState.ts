/** Follows the desired state: read whole at the start, after every change, and once a minute whatever happens. */
import { defineLoop, type Loop } from "../app/platform/loop";
import type { Logger } from "../app/platform/logger";
import { FULL_SYNC_INTERVAL_MS, type DesiredDeployment } from "./protocol";
import type { ServerClient } from "./server/serverClient";

export type FollowDesiredOptions = {
  server: Pick<ServerClient, "desired" | "changes">;
  log: Logger;
  now(): number;
  onDesired(deployments: readonly DesiredDeployment[]): void;
};

/** A loop that holds a call for changes most of the time. */
export function followDesiredState({ server, log, now, onDesired }: FollowDesiredOptions): Loop {
  let cursor: number | null = null;
  let readAt = 0;
  return defineLoop({
    name: "desired state",
    everyMs: 0,
    afterErrorMs: 1_000,
    log,
    async run(signal) {
      if (cursor === null || now() - readAt >= FULL_SYNC_INTERVAL_MS) {
        const state = await server.desired();
        cursor = state.cursor;
        readAt = now();
        onDesired(state.deployments);
      }
      const changes = await server.changes(cursor, signal).catch((error: unknown) => {
        // What changed while the server was away is found by reading everything.
        cursor = null;
        throw error;
      });
      if (changes.deploymentIds.length > 0) cursor = null;
      else if (cursor !== null) cursor = changes.cursor;
    },
  });
}
