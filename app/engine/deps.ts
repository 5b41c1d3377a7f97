/** What the engine needs, and the parts that its services share. */
import type { AgentAuthenticator, Auth } from "../auth/types";
import type { ConfigChanges, EnvironmentDirectory, EnvironmentView } from "../environments/types";
import type { Environments } from "../environments/environments.server";
import type { Clock } from "../platform/clock";
import type { Logger } from "../platform/logger";
import type { Redis } from "../platform/redis.server";
import type { RunStore } from "../runops/runStore";
import type { DeployedVersions } from "./versions/deployedVersions";
import type { EngineOptions } from "./env";
import type { QueueIndex } from "./queueIndex/queueIndex";

/** Stores a worker version with its tasks and queues and, in dev, makes it current. */
export type WorkerRegistry = Pick<Environments, "registerWorkerVersion">;

export type EngineDeps = {
  store: RunStore;
  index: QueueIndex;
  directory: EnvironmentDirectory;
  workers: WorkerRegistry;
  changes: ConfigChanges;
  auth: Pick<Auth, "secretKey">;
  agents: AgentAuthenticator;
  deployed: DeployedVersions;
  /** Commands and publishing. */
  redis: Redis;
  /** A connection for subscriptions alone. */
  subscriber: Redis;
  clock: Clock;
  log: Logger;
  /** Public address of this server, for run processes and the CLI. */
  origin: string;
  /** Where a run process of the environment sends its telemetry; carries a signed token, because OTLP calls are not authenticated. */
  otlpEndpoint(env: EnvironmentView): string;
  /** In [0, 1); for retry jitter. Default: Math.random. */
  random?: () => number;
  options?: Partial<EngineOptions>;
};
