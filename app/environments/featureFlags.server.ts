/** Feature flags: one value for the installation, and one for an organization that wins over it. */
import type { Clock } from "../platform/clock";
import { AppError } from "../utils/appError";
import type { ControlPlaneClient } from "./prisma.server";
import { toPostgresJson } from "./postgresJson";

const INSTALLATION = "";

export class FeatureFlags {
  constructor(private readonly deps: { prisma: Pick<ControlPlaneClient, "featureFlag">; clock: Clock }) {}

  /** Value for the organization, else for the installation, else undefined. */
  async get(key: string, organizationId?: string): Promise<unknown> {
    const rows = await this.deps.prisma.featureFlag.findMany({
      where: { key, organizationId: { in: [INSTALLATION, organizationId ?? INSTALLATION] } },
      orderBy: { organizationId: "desc" },
      take: 1,
    });
    return rows[0]?.value;
  }

  /** Throws 400 for a key that is empty or longer than 100 characters. */
  async set(flag: { key: string; organizationId?: string; value: unknown }): Promise<void> {
    if (flag.key.length === 0 || flag.key.length > 100) {
      throw new AppError("invalid_flag", 400, "The key of a feature flag has 1 to 100 characters.");
    }
    const organizationId = flag.organizationId ?? INSTALLATION;
    const columns = { value: JSON.parse(toPostgresJson(flag.value ?? false)), updatedAt: new Date(this.deps.clock.now()) };
    await this.deps.prisma.featureFlag.upsert({
      where: { organizationId_key: { organizationId, key: flag.key } },
      create: { organizationId, key: flag.key, ...columns },
      update: columns,
    });
  }
}
