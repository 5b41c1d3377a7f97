/** The run databases of this process: their store, their maintenance, their connections. */
import type { Clock } from "../platform/clock";
import { errorMessage, type Logger } from "../platform/logger";
import type { Loop } from "../platform/loop";
import { createPartitionLoop } from "./partitions.server";
import { createRunStore, type ResidentStore } from "./resident/resident.server";
import type { RunStore } from "./runStore";
import { createSweepLoop } from "./sweeps.server";
import { createTopology } from "./topology.server";

export type RunOps = {
  store: RunStore;
  /** Makes the partitions of now, then starts the maintenance. Await it before serving. */
  start(): Promise<void>;
  /** Ends the maintenance, answers what waits, closes the connections. */
  stop(): Promise<void>;
};

export type RunOpsOptions = {
  /** The database that holds 25-character ids; its migrations are applied. */
  databaseUrl: string;
  /** A second database for 27-character ids; null or absent: one holds all. */
  runOpsDatabaseUrl?: string | null;
  /** `RUN_RETENTION_DAYS`. */
  retentionDays: number;
  /** `RUN_PARTITION_DAYS`. */
  partitionDays: number;
  /** `RUN_WRITE_CONNECTIONS`: a third of them for triggers, a third of the rest for dequeues, at least one each. */
  writeConnections: number;
  clock: Clock;
  log: Logger;
};

/** Builds stores and loops; connects on first use. */
export function createRunOps(options: RunOpsOptions): RunOps {
  const triggerConnections = Math.max(1, Math.floor(options.writeConnections / 3));
  const dequeueConnections = Math.max(1, Math.floor((options.writeConnections - triggerConnections) / 3));
  const resident = (url: string, name: string) =>
    createRunStore({
      url,
      name,
      retentionDays: options.retentionDays,
      triggerConnections,
      dequeueConnections,
      moveConnections: options.writeConnections - triggerConnections - dequeueConnections,
      clock: options.clock,
      log: options.log.with({ database: name }),
    });
  const topology = createTopology({
    control: resident(options.databaseUrl, "runs"),
    runOps: options.runOpsDatabaseUrl ? resident(options.runOpsDatabaseUrl, "runs-2") : null,
  });
  const loops = topology.residents.flatMap((store) => maintenance(options, store));
  return {
    store: topology.store,
    async start() {
      for (const { loop, beforeServing } of loops) {
        // The default partition takes what a failed pass leaves out, so serving does not depend on it.
        if (beforeServing)
          await loop
            .runOnce()
            .catch((error: unknown) => options.log.error("loop.failed", { loop: loop.name, message: errorMessage(error) }));
        loop.start();
      }
    },
    async stop() {
      await Promise.all(loops.map(({ loop }) => loop.stop()));
      await Promise.all(topology.residents.map((store) => store.stop()));
    },
  };
}

function maintenance(options: RunOpsOptions, store: ResidentStore): { loop: Loop; beforeServing: boolean }[] {
  const common = { pool: store.database.maintenance, withLock: store.withLock, clock: options.clock, log: options.log };
  return [
    {
      loop: createPartitionLoop({ ...common, retentionDays: options.retentionDays, periodDays: options.partitionDays }),
      beforeServing: true,
    },
    { loop: createSweepLoop(common), beforeServing: false },
  ];
}
