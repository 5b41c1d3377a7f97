/** An organization with a project and a member, for tests of anything that runs inside an environment. */
import type { Environments } from "../app/environments/environments.server";
import type { EnvironmentView } from "../app/environments/types";
import { mintId } from "../app/utils/ids";

export const TEST_ENCRYPTION_KEY = "7f0c2c1f5b8f4c0f9a3e6d2b1c4a5f60718293a4b5c6d7e8f901234567890abc";

export type Tenant = {
  userId: string;
  email: string;
  organizationIds: string[];
  projectId: string;
  ref: string;
  /** For another project of the same organization. */
  projectInput: { organizationId: string; name: string };
  dev: EnvironmentView;
  staging: EnvironmentView;
  prod: EnvironmentView;
};

/** Every call makes another tenant. */
export async function createTenant(environments: Environments): Promise<Tenant> {
  const userId = mintId(Date.now());
  const email = `${userId}@example.com`;
  await environments.prisma.userAccount.create({ data: { id: userId, email } });
  const organization = await environments.createOrganization.call({ title: "Acme Ltd.", ownerUserId: userId });
  const projectInput = { organizationId: organization.id, name: "Shop" };
  const project = await environments.createProject.call(projectInput);
  const [dev, staging, prod] = await Promise.all(["dev", "staging", "prod"].map((slug) => environments.bySlug(project.ref, slug, null)));
  if (!dev || !staging || !prod) throw new Error("A new project lacks an environment.");
  return { userId, email, organizationIds: [organization.id], projectId: project.id, ref: project.ref, projectInput, dev, staging, prod };
}

/** Asks again every few milliseconds until the answer is yes; throws after `deadlineMs`. */
export async function waitFor(condition: () => boolean | Promise<boolean>, deadlineMs = 5_000): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`The condition did not hold within ${deadlineMs} ms.`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
