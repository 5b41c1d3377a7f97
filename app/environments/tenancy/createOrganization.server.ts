/** Makes an organization and its first member. */
import type { Clock } from "../../platform/clock";
import { AppError } from "../../utils/appError";
import { mintId } from "../../utils/ids";
import type { ControlPlaneClient } from "../prisma.server";
import { freeSlug } from "./slugs.server";

export type CreatedOrganization = { id: string; slug: string; title: string; createdAt: Date };

const MAX_TITLE = 200;

export class CreateOrganizationService {
  constructor(
    private readonly prisma: Pick<ControlPlaneClient, "organization">,
    private readonly clock: Clock
  ) {}

  /** `ownerUserId` becomes its admin. Throws 400 for an empty or over-long title. */
  async call(input: { title: string; ownerUserId: string }): Promise<CreatedOrganization> {
    const title = input.title.trim();
    if (title.length === 0 || title.length > MAX_TITLE) {
      throw new AppError("invalid_title", 400, `The title of an organization has 1 to ${MAX_TITLE} characters.`);
    }
    const slug = await freeSlug(title, async (candidate) => (await this.prisma.organization.count({ where: { slug: candidate } })) > 0);
    const now = this.clock.now();
    return this.prisma.organization.create({
      data: { id: mintId(now), slug, title, createdAt: new Date(now), members: { create: { userId: input.ownerUserId, role: "admin" } } },
      select: { id: true, slug: true, title: true, createdAt: true },
    });
  }
}
