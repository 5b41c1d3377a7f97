/** The environments of a project with their keys and limits. */
import type { UserCaller } from "../auth/types";
import type { ProjectSummary } from "../environments/tenancy/tenancy.server";
import type { EnvironmentSlug } from "../environments/types";
import type { App } from "../wiring.server";

export type KeysApp = Pick<App, "environments" | "index" | "clock">;
export type EnvironmentCard = {
  id: string;
  slug: EnvironmentSlug;
  secretKey: string;
  /** Old keys that still work: until when, in epoch milliseconds. */
  graceUntil: number[];
  limit: number;
  burstFactor: number;
  running: number | null;
  queued: number | null;
  pausedAt: number | null;
};

/** Cards in the order dev, staging, prod, preview; branches use their parent's key and are left out. */
export async function presentKeys(
  app: KeysApp,
  user: UserCaller,
  project: ProjectSummary
): Promise<{ asOf: number; cards: EnvironmentCard[] }> {
  const rows = await app.environments.tenancy.environments(project.id, user.organizationIds);
  const cards = await Promise.all(rows.filter((row) => row.branchName === null).map((row) => toCard(app, row.id)));
  return { asOf: app.clock.now(), cards: cards.filter((card): card is EnvironmentCard => card !== null) };
}

async function toCard(app: KeysApp, envId: string): Promise<EnvironmentCard | null> {
  const [env, counts] = await Promise.all([app.environments.byId(envId), app.index.counts(envId).catch(() => null)]);
  if (!env) return null;
  const now = app.clock.now();
  return {
    id: env.id,
    slug: env.slug,
    secretKey: env.secretKey,
    graceUntil: env.graceKeys.map((grace) => grace.until.getTime()).filter((until) => until > now),
    limit: env.maxConcurrency,
    burstFactor: env.burstFactor,
    running: counts?.running ?? null,
    queued: counts?.queued ?? null,
    pausedAt: env.pausedAt?.getTime() ?? null,
  };
}
