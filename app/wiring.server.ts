/** Composition root: the only place that builds clients, services and loops, and hands them to routes. */
import type { Auth } from "./auth/auth.server";
import type { Engine } from "./engine/engine.server";
import type { QueueIndex } from "./engine/queueIndex";
import type { Environments } from "./environments/environments.server";
import type { Clock } from "./platform/clock";
import type { Logger } from "./platform/logger";
import type { RunStore } from "./runops/runStore";
import type { Runs } from "./runs/runs.server";
import type { Telemetry } from "./telemetry/telemetry.server";

/** What routes and presenters reach. */
export type App = {
  config: { origin: string; version: string };
  log: Logger;
  clock: Clock;
  auth: Auth;
  environments: Environments;
  store: RunStore;
  index: QueueIndex;
  engine: Engine;
  runs: Runs;
  telemetry: Telemetry;
};

const KEY = Symbol.for("sluice.app");
type Holder = { [KEY]?: App };

/** The application of this process. Throws before `setApp`: a route must not run before the boot has ended. */
export function getApp(): App {
  const app = (globalThis as Holder)[KEY];
  if (!app) throw new Error("The application is not wired yet.");
  return app;
}

/** Called once at boot, and by tests that drive routes directly. */
export function setApp(app: App): void {
  (globalThis as Holder)[KEY] = app;
}
