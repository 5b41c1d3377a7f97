/** Composition root: the only place that builds clients, services and loops, and hands them to routes. */
import type { Server } from "node:http";
import type { Auth } from "./auth/auth.server";
import type { Env } from "./env.server";
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

/** What `startApp` builds the application from. */
export type StartOptions = {
  /** Parsed settings; `DATABASE_URL` and `REDIS_URL` are those of the stores that run, embedded or not. Migrations are applied. */
  env: Env & { DATABASE_URL: string; REDIS_URL: string };
  log: Logger;
  /** Not listening yet: socket.io attaches to it. */
  server: Server;
};

/** `startApp(options: StartOptions): Promise<StartedApp>` is what `app/boot.server.ts` calls. */
export type StartedApp = {
  app: App;
  /** After the server listens: lines for the person at the terminal (address, login link, key, first task). */
  welcome(port: number): Promise<readonly string[]>;
  /** Ends held answers (dequeue polls, event streams, sockets), so that their connections close. New ones are refused. */
  drain(): Promise<void>;
  /** Finishes groups under way, stops loops, closes pools. After `drain` and after the last request has ended. */
  stop(): Promise<void>;
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
