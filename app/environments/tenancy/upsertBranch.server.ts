/** Makes, or finds, the environment of a branch under dev or preview. */
import type { Clock } from "../../platform/clock";
import { AppError } from "../../utils/appError";
import { mintId } from "../../utils/ids";
import type { CreateEnvironmentService } from "./createEnvironment.server";
import { uniqueViolation, type ControlPlaneClient } from "../prisma.server";

const MAX_BRANCH = 255;
/** Most branches of one environment: each has queues and limits of its own. */
const MAX_BRANCHES = 1_000;

/** The branch name as it is stored. Throws 400 when git would refuse it or it is reserved. */
function parseBranchName(text: string): string {
  const name = text.trim().replace(/^refs\/heads\//, "");
  const malformed =
    name.length === 0 || name.length > MAX_BRANCH || !/^[A-Za-z0-9._/@+#-]+$/.test(name) || /\.\.|^[-/.]|[/.]$|\/\//.test(name);
  if (malformed || name === "default") {
    throw new AppError(
      "invalid_branch",
      400,
      `"${name.slice(0, 60)}" is not a usable branch name. Use up to ${MAX_BRANCH} letters, digits and . _ / @ + # -; "default" is reserved.`
    );
  }
  return name;
}

export class UpsertBranchService {
  constructor(
    private readonly deps: {
      prisma: Pick<ControlPlaneClient, "environment">;
      createEnvironment: Pick<CreateEnvironmentService, "call">;
      clock: Clock;
    }
  ) {}

  /** Safe to race. Throws 400 for a bad name, or when there are too many branches. */
  async call(input: { projectId: string; env: "dev" | "preview"; branch: string }): Promise<{ id: string; created: boolean }> {
    const branchName = parseBranchName(input.branch);
    const parent = await this.deps.createEnvironment.call({ projectId: input.projectId, slug: input.env });
    const existing = await this.find(parent.id, branchName);
    if (existing) return { id: existing.id, created: false };
    await this.refuseTooMany(parent.id, input.env);
    try {
      return { id: await this.create(input, { parentId: parent.id, branchName }), created: true };
    } catch (error) {
      const winner = uniqueViolation(error) ? await this.find(parent.id, branchName) : null;
      if (!winner) throw error;
      return { id: winner.id, created: false };
    }
  }

  private find(parentId: string, branchName: string): Promise<{ id: string } | null> {
    return this.deps.prisma.environment.findFirst({ where: { parentId, branchName, archivedAt: null }, select: { id: true } });
  }

  private async create(
    input: { projectId: string; env: "dev" | "preview" },
    place: { parentId: string; branchName: string }
  ): Promise<string> {
    const now = this.deps.clock.now();
    const parent = await this.deps.prisma.environment.findUniqueOrThrow({
      where: { id: place.parentId },
      select: { type: true, maxConcurrency: true, burstFactor: true },
    });
    const { id } = await this.deps.prisma.environment.create({
      data: {
        id: mintId(now),
        projectId: input.projectId,
        slug: input.env,
        ...place,
        ...parent,
        createdAt: new Date(now),
        updatedAt: new Date(now),
      },
      select: { id: true },
    });
    return id;
  }

  private async refuseTooMany(parentId: string, env: string): Promise<void> {
    const branches = await this.deps.prisma.environment.count({ where: { parentId, archivedAt: null } });
    if (branches < MAX_BRANCHES) return;
    throw new AppError("too_many_branches", 400, `There are ${MAX_BRANCHES} ${env} branches already. Archive some first.`);
  }
}
