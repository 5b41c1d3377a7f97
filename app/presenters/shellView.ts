/** What the shell knows on every page. */
import type { EnvironmentSlug } from "../environments/types";

export type ShellEnvironment = { id: string; slug: EnvironmentSlug; paused: boolean; href: string };
export type ShellProject = { orgSlug: string; orgTitle: string; slug: string; name: string; environments: ShellEnvironment[] };
/** Runs that execute and deployments on their way, in the environment of the page; null when the store did not answer. */
export type ShellActivity = { executing: number | null; deploying: number | null };
/** Server processes, regions, and regions that an agent reports from. */
export type ShellInstallation = { processes: number; regions: number; connected: number };
/** Milliseconds that each store took to answer; null when it did not. */
export type ShellHealth = { postgresMs: number | null; redisMs: number | null; installation: ShellInstallation | null };
export type ShellFlash = { kind: "ok" | "bad" | "hold" | "run"; title: string; text?: string };
export type ShellData = {
  email: string;
  version: string;
  projects: ShellProject[];
  health: ShellHealth;
  /** Null outside of an environment. */
  activity: ShellActivity | null;
  flash: ShellFlash | null;
};
/** Where the page is; null outside of an environment (tokens). */
export type ShellPlace = { project: ShellProject; environment: ShellEnvironment };
