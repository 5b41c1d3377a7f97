/** What the frame around every page shows: projects and environments of the person, health, who they are. */
import type { UserCaller } from "../auth/types";
import type { ProjectSummary } from "../environments/tenancy/tenancy.server";
import { withDeadline } from "../platform/deadline";
import { presentActivity, presentInstallation } from "./activity.server";
import type { ShellData, ShellEnvironment, ShellHealth, ShellProject } from "./shellView";
import type { App } from "../wiring.server";

export type ShellApp = Pick<App, "environments" | "store" | "index" | "deployments" | "clock" | "config">;
/** The environment that an address names, if it does. */
export type ShellAddress = { org?: string; project?: string; env?: string };
type PathOf = (org: string, project: string, env: string) => string;

const HEALTH_TIMEOUT_MS = 1_000;

type ShellInput = { user: UserCaller; pathOf: PathOf; address: ShellAddress };

/** Everything but the flash. `pathOf`: how an environment's pages are addressed. */
export async function presentShell(app: ShellApp, { user, pathOf, address }: ShellInput): Promise<Omit<ShellData, "flash">> {
  const projects = await presentProjects(app, user, pathOf);
  const first = projects[0]?.environments[0];
  const here = environmentAt(projects, address);
  const [health, activity] = await Promise.all([readHealth(app, first?.id ?? null), here ? presentActivity(app, here.id) : null]);
  return { email: user.email, version: app.config.version, projects, health, activity };
}

function environmentAt(projects: readonly ShellProject[], address: ShellAddress): ShellEnvironment | undefined {
  const project = projects.find((candidate) => candidate.orgSlug === address.org && candidate.slug === address.project);
  return project?.environments.find((candidate) => candidate.slug === address.env);
}

/** Projects of the person with their environments, oldest first. */
async function presentProjects(app: Pick<App, "environments">, user: UserCaller, pathOf: PathOf): Promise<ShellProject[]> {
  const { tenancy } = app.environments;
  const projects = await tenancy.projects(user.organizationIds);
  return Promise.all(projects.map((project) => withEnvironments(app, user, { project, pathOf })));
}

type ProjectPlace = { project: ProjectSummary; pathOf: PathOf };

async function withEnvironments(
  app: Pick<App, "environments">,
  user: UserCaller,
  { project, pathOf }: ProjectPlace
): Promise<ShellProject> {
  const rows = await app.environments.tenancy.environments(project.id, user.organizationIds);
  const environments = rows
    .filter((row) => row.branchName === null)
    .map(
      (row): ShellEnvironment => ({
        id: row.id,
        slug: row.slug,
        paused: row.pausedAt !== null,
        href: pathOf(project.organization.slug, project.slug, row.slug),
      })
    );
  return { orgSlug: project.organization.slug, orgTitle: project.organization.title, slug: project.slug, name: project.name, environments };
}

/** Where `/` leads: the runs of the first environment, or the tokens page for someone without a project. */
export async function homePath(app: Pick<App, "environments">, user: UserCaller, pathOf: PathOf): Promise<string> {
  const projects = await presentProjects(app, user, pathOf);
  const first = projects.flatMap((project) => project.environments)[0];
  return first ? `${first.href}/runs` : "/account/tokens";
}

async function readHealth(app: ShellApp, envId: string | null): Promise<ShellHealth> {
  const [postgres, redis, installation] = await Promise.all([
    timed(() => app.store.ping()),
    envId === null ? null : timed(() => app.index.counts(envId)),
    timed(() => presentInstallation(app)),
  ]);
  return { postgresMs: postgres?.ms ?? null, redisMs: redis?.ms ?? null, installation: installation?.value ?? null };
}

/** The answer and the milliseconds that it took, or null when the call failed or took longer than a second. */
async function timed<T>(call: () => Promise<T>): Promise<{ value: T; ms: number } | null> {
  const begin = performance.now();
  try {
    const value = await withDeadline(call(), HEALTH_TIMEOUT_MS);
    return { value, ms: performance.now() - begin };
  } catch {
    return null;
  }
}
