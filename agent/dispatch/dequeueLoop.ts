/** Asks the server for runs, with one held call at a time, for as many as can begin at once. */
import { defineLoop, type Loop } from "../../app/platform/loop";
import type { Logger } from "../../app/platform/logger";
import { MAX_RUNS_AN_ANSWER, MAX_WAIT_MS } from "../protocol";
import type { ServerClient } from "../server/serverClient";
import type { DequeuedMessage } from "../server/messages";

/** Without room the next look comes with the next free replica, or after this long; milliseconds. */
const FULL_MS = 1_000;

export type DequeueLoopOptions = {
  server: Pick<ServerClient, "dequeue">;
  capacity(): number;
  dispatch(message: DequeuedMessage): void;
  log: Logger;
};

/** The loop; `nudge` it when there is room again. */
export function dequeueLoop({ server, capacity, dispatch, log }: DequeueLoopOptions): Loop {
  return defineLoop({
    name: "dequeue",
    everyMs: 0,
    afterErrorMs: 1_000,
    log,
    async run(signal) {
      const room = Math.min(MAX_RUNS_AN_ANSWER, capacity());
      if (room <= 0) return FULL_MS;
      const messages = await server.dequeue({ maxRunCount: room, waitMs: MAX_WAIT_MS }, signal);
      for (const message of messages) dispatch(message);
      return 0;
    },
  });
}
