/** Reads of organizations, projects and environments for a person: every one is scoped by the organizations of the caller. */
import type { ControlPlaneClient } from "../prisma.server";
import { AppError } from "../../utils/appError";
import type { EnvironmentDirectory, EnvironmentSlug, EnvironmentType, EnvironmentView } from "../types";

export type OrganizationSummary = { id: string; slug: string; title: string; createdAt: Date };
export type ProjectSummary = {
  id: string;
  ref: string;
  slug: string;
  name: string;
  createdAt: Date;
  defaultRegion: string | null;
  organization: OrganizationSummary;
};
/** An environment as lists show it: without its keys. */
export type EnvironmentSummary = {
  id: string;
  slug: EnvironmentSlug;
  type: EnvironmentType;
  branchName: string | null;
  parentId: string | null;
  maxConcurrency: number;
  burstFactor: number;
  pausedAt: Date | null;
  createdAt: Date;
  updatedAt: Date;
};

const MAX_ROWS = 1_000;
const SLUG_ALIASES: Record<string, EnvironmentSlug> = {
  dev: "dev",
  development: "dev",
  stg: "staging",
  staging: "staging",
  prod: "prod",
  production: "prod",
  preview: "preview",
};
/** The order in which people think of them. */
const SLUG_ORDER: Record<string, number> = { dev: 0, staging: 1, prod: 2, preview: 3 };

/** The slug that a URL means (`stg` and the long names included), or null. */
export function parseEnvironmentSlug(text: string): EnvironmentSlug | null {
  return Object.hasOwn(SLUG_ALIASES, text) ? (SLUG_ALIASES[text] ?? null) : null;
}

const organizationFields = { id: true, slug: true, title: true, createdAt: true } as const;

export class Tenancy {
  constructor(private readonly deps: { prisma: ControlPlaneClient; directory: EnvironmentDirectory }) {}

  organizations(organizationIds: readonly string[]): Promise<OrganizationSummary[]> {
    return this.deps.prisma.organization.findMany({
      where: { id: { in: [...organizationIds] }, deletedAt: null },
      select: organizationFields,
      orderBy: { createdAt: "asc" },
      take: MAX_ROWS,
    });
  }

  async projects(organizationIds: readonly string[]): Promise<ProjectSummary[]> {
    const rows = await this.deps.prisma.project.findMany({
      where: { organizationId: { in: [...organizationIds] }, deletedAt: null, organization: { deletedAt: null } },
      include: { organization: { select: organizationFields } },
      orderBy: { createdAt: "asc" },
      take: MAX_ROWS,
    });
    return rows.map(projectSummary);
  }

  /** By its ref, or by its id for links; throws 404 `Project not found` (the CLI prints a hint for exactly that text). */
  async project(ref: string, organizationIds: readonly string[]): Promise<ProjectSummary> {
    const row = await this.deps.prisma.project.findFirst({
      where: { externalRef: ref, organizationId: { in: [...organizationIds] }, deletedAt: null, organization: { deletedAt: null } },
      include: { organization: { select: organizationFields } },
    });
    if (!row) throw projectNotFound();
    return projectSummary(row);
  }

  /** By the two slugs of a dashboard URL; throws 404 `Project not found`. */
  async projectBySlugs(organizationSlug: string, projectSlug: string, organizationIds: readonly string[]): Promise<ProjectSummary> {
    const row = await this.deps.prisma.project.findFirst({
      where: {
        slug: projectSlug,
        organizationId: { in: [...organizationIds] },
        deletedAt: null,
        organization: { slug: organizationSlug, deletedAt: null },
      },
      include: { organization: { select: organizationFields } },
    });
    if (!row) throw projectNotFound();
    return projectSummary(row);
  }

  /** Environments of a project that the caller may see, roots first in the order dev, staging, prod, preview, then branches. */
  async environments(projectId: string, organizationIds: readonly string[]): Promise<EnvironmentSummary[]> {
    const rows = await this.deps.prisma.environment.findMany({
      where: { projectId, archivedAt: null, project: { organizationId: { in: [...organizationIds] }, deletedAt: null } },
      orderBy: [{ branchName: { sort: "asc", nulls: "first" } }, { createdAt: "asc" }],
      take: MAX_ROWS,
    });
    return rows.map(environmentSummary).sort((a, b) => rank(a) - rank(b));
  }

  /** The runtime of each environment's current version; environments without a version are left out. */
  async runtimes(organizationIds: readonly string[]) {
    const rows = await this.deps.prisma.environment.findMany({
      where: {
        archivedAt: null,
        currentWorkerId: { not: null },
        project: { organizationId: { in: [...organizationIds] }, deletedAt: null },
      },
      select: { slug: true, currentWorkerId: true, project: { select: { name: true, slug: true, externalRef: true, organization: true } } },
      take: MAX_ROWS,
    });
    const ids = rows.flatMap((row) => row.currentWorkerId ?? []);
    const workers = await this.deps.prisma.workerVersion.findMany({
      where: { id: { in: ids } },
      select: { id: true, runtime: true, runtimeVersion: true, createdAt: true, contentHash: true },
    });
    const workerOf = new Map(workers.map((worker) => [worker.id, worker]));
    return rows.map((row) => {
      const { organization, ...project } = row.project;
      const worker = workerOf.get(row.currentWorkerId ?? "");
      const deployment = worker && {
        runtime: worker.runtime,
        runtimeVersion: worker.runtimeVersion,
        nodeMajor: nodeMajorOf(worker.runtimeVersion),
        deployedAt: worker.createdAt,
        shortCode: worker.contentHash.slice(0, 8),
      };
      return {
        organization: { title: organization.title, slug: organization.slug },
        project,
        environment: { slug: row.slug },
        deployment: deployment ?? null,
      };
    });
  }

  /** With its keys, for the API. Throws 404 `Project not found`, or one that names the environment. */
  async environment(place: {
    ref: string;
    slug: string;
    branch: string | null;
    organizationIds: readonly string[];
  }): Promise<EnvironmentView> {
    const slug = parseEnvironmentSlug(place.slug);
    if (!slug)
      throw new AppError(
        "unknown_environment",
        404,
        `Environment "${place.slug.slice(0, 40)}" not found. There are dev, staging, prod and preview.`
      );
    const view = await this.deps.directory.bySlug(place.ref, slug, place.branch);
    if (view && place.organizationIds.includes(view.organization.id)) return view;
    // Says "no such project" before it says anything about environments of a project that may be someone else's.
    await this.project(place.ref, place.organizationIds);
    const where = place.branch ? `${slug} branch "${place.branch.slice(0, 60)}"` : `${slug} environment`;
    throw new AppError("environment_not_found", 404, `This project has no ${where}. Branches are made by running the CLI with --branch.`);
  }
}

/** The exact text that the CLI recognises. */
export function projectNotFound(): AppError {
  return new AppError("project_not_found", 404, "Project not found");
}

function nodeMajorOf(runtimeVersion: string | null): number | null {
  const major = Number(runtimeVersion?.split(".")[0]);
  return Number.isInteger(major) && major > 0 ? major : null;
}

function rank(environment: EnvironmentSummary): number {
  return (SLUG_ORDER[environment.slug] ?? 9) + (environment.branchName === null ? 0 : 10);
}

type ProjectRow = {
  id: string;
  externalRef: string;
  slug: string;
  name: string;
  createdAt: Date;
  defaultRegion: string | null;
  organization: OrganizationSummary;
};

function projectSummary(row: ProjectRow): ProjectSummary {
  const { id, externalRef, slug, name, createdAt, defaultRegion, organization } = row;
  return { id, ref: externalRef, slug, name, createdAt, defaultRegion, organization };
}

type EnvironmentColumns = Omit<EnvironmentSummary, "slug" | "type"> & { slug: string; type: string };

function environmentSummary(row: EnvironmentColumns): EnvironmentSummary {
  const { id, branchName, parentId, maxConcurrency, burstFactor, pausedAt, createdAt, updatedAt } = row;
  const slug = row.slug as EnvironmentSlug;
  return { id, slug, type: row.type as EnvironmentType, branchName, parentId, maxConcurrency, burstFactor, pausedAt, createdAt, updatedAt };
}
