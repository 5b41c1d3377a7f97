/** Changes limits of an environment, pauses, resumes or archives it. */
import type { Clock } from "../../platform/clock";
import { AppError } from "../../utils/appError";
import type { ControlPlaneClient } from "../prisma.server";

export type EnvironmentChange = {
  maxConcurrency?: number;
  burstFactor?: number;
  paused?: boolean;
  /** Branches only. */
  archived?: true;
};

export class UpdateEnvironmentService {
  constructor(private readonly deps: { prisma: Pick<ControlPlaneClient, "environment">; clock: Clock }) {}

  /** Throws 400 for a limit out of range or archiving a root environment, 404 for an unknown one. */
  async call(envId: string, change: EnvironmentChange): Promise<void> {
    checkRange("maxConcurrency", change.maxConcurrency, [0, 1_000_000]);
    checkRange("burstFactor", change.burstFactor, [1, 100]);
    const now = new Date(this.deps.clock.now());
    const { count } = await this.deps.prisma.environment.updateMany({
      where: { id: envId, ...(change.archived ? { parentId: { not: null } } : {}) },
      data: {
        ...(change.maxConcurrency === undefined ? {} : { maxConcurrency: change.maxConcurrency }),
        ...(change.burstFactor === undefined ? {} : { burstFactor: change.burstFactor }),
        ...(change.paused === undefined ? {} : { pausedAt: change.paused ? now : null }),
        ...(change.archived ? { archivedAt: now } : {}),
        updatedAt: now,
      },
    });
    if (count === 0) {
      const what = change.archived ? "branch" : "environment";
      throw new AppError("environment_not_found", 404, `There is no ${what} ${envId.slice(0, 60)}.`);
    }
  }
}

function checkRange(name: string, value: number | undefined, [min, max]: readonly [number, number]): void {
  if (value === undefined || (value >= min && value <= max && (name !== "maxConcurrency" || Number.isInteger(value)))) return;
  throw new AppError("invalid_limit", 400, `${name} is a number from ${min} to ${max}, got ${value}.`);
}
