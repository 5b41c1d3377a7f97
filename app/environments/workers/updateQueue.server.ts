/** Pauses a queue, or changes its limit. Every process hears of it through the row's trigger. */
import type { Clock } from "../../platform/clock";
import { AppError } from "../../utils/appError";
import type { ControlPlaneClient } from "../prisma.server";
import { queueViewOf } from "../directory/directoryRows.server";
import type { QueueView } from "../types";

export type QueueChange = { kind: "pause" } | { kind: "resume" } | { kind: "override"; limit: number } | { kind: "reset" };

const MAX_LIMIT = 1_000_000;

export class UpdateQueueService {
  constructor(private readonly deps: { prisma: Pick<ControlPlaneClient, "queue">; clock: Clock }) {}

  /** Throws 404 for an unknown queue, 400 for a limit that is not a whole number from 0 to 1,000,000. */
  async call(input: { envId: string; name: string; change: QueueChange }): Promise<QueueView> {
    const now = new Date(this.deps.clock.now());
    const rows = await this.deps.prisma.queue.updateManyAndReturn({
      where: { environmentId: input.envId, name: input.name },
      data: { ...columnsOf(input.change, now), updatedAt: now },
    });
    const row = rows[0];
    if (!row) throw new AppError("queue_not_found", 404, `There is no queue "${input.name.slice(0, 100)}" in this environment.`);
    return queueViewOf({
      id: row.id,
      environment_id: row.environmentId,
      name: row.name,
      type: row.type === "task" ? "task" : "custom",
      base_limit: row.baseLimit,
      override_limit: row.overrideLimit,
      overridden_at: row.overriddenAt,
      paused_at: row.pausedAt,
    });
  }
}

function columnsOf(change: QueueChange, now: Date) {
  switch (change.kind) {
    case "pause":
      return { pausedAt: now };
    case "resume":
      return { pausedAt: null };
    case "override":
      if (!Number.isInteger(change.limit) || change.limit < 0 || change.limit > MAX_LIMIT) {
        throw new AppError("invalid_limit", 400, `concurrencyLimit is a whole number from 0 to ${MAX_LIMIT}, got ${change.limit}.`);
      }
      return { overrideLimit: change.limit, overriddenAt: now };
    case "reset":
      return { overrideLimit: null, overriddenAt: null };
  }
}
