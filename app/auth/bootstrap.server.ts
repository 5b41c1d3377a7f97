/**
 * First start: the administrator, an organization, a project with its environments, and `credentials.json`. Every step
 * looks before it writes and all run under one advisory lock, so any number of processes may start at once, and a start
 * that was killed half-way is finished by the next.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import type { Environments } from "../environments/environments.server";
import { randomText } from "../environments/tenancy/keys.server";
import { sealContext } from "../environments/secretBox.server";
import type { Clock } from "../platform/clock";
import { inTransaction, type Pool } from "../platform/db.server";
import { AppError } from "../utils/appError";
import { mintId } from "../utils/ids";
import type { Auth } from "./auth.server";
import { hashPassword } from "./password.server";

const EnvironmentCredentials = z.object({ id: z.string(), secretKey: z.string() });
const Credentials = z.object({
  apiUrl: z.string(),
  projectRef: z.string(),
  personalAccessToken: z.string(),
  environments: z.object({ dev: EnvironmentCredentials, staging: EnvironmentCredentials, prod: EnvironmentCredentials }),
  loginUrl: z.string(),
});
/** The content of `credentials.json`. */
export type Credentials = z.output<typeof Credentials>;

export type BootstrapResult = {
  credentials: Credentials;
  /** Set once, by the process that made the administrator: it is stored only as a hash. */
  admin: { email: string; password: string } | null;
};

export type BootstrapOptions = {
  pool: Pool;
  environments: Environments;
  auth: Auth;
  clock: Clock;
  apiUrl: string;
  adminEmail: string;
  /** Null: one is generated. */
  adminPassword: string | null;
  /** Where `credentials.json` goes; written with mode 0600. */
  credentialsPath: string;
};

/** "SLUI" as a number: the lock of first starts. */
const LOCK_SQL = "SELECT pg_advisory_xact_lock(1397511497)";
const CHECK_NAME = "encryption";
const CHECK_TEXT = "sluice";
const TOKEN_NAME = "credentials.json";
const FIRST_TITLE = "My organization";
const FIRST_PROJECT = "My project";
const PASSWORD_CHARS = 20;

export class BootstrapService {
  constructor(private readonly options: BootstrapOptions) {}

  /** Throws when the database was written with another `ENCRYPTION_KEY`: nothing has been changed then. */
  async call(): Promise<BootstrapResult> {
    return inTransaction(this.options.pool, async (lock) => {
      await lock.query(LOCK_SQL);
      await this.checkEncryptionKey();
      const { userId, admin } = await this.ensureAdmin();
      const organizationId = await this.ensureOrganization(userId);
      const projectRef = await this.ensureProject(organizationId);
      return { credentials: await this.writeCredentials({ userId, projectRef }), admin };
    });
  }

  private async checkEncryptionKey(): Promise<void> {
    const { prisma, secretBox } = this.options.environments;
    const check = await prisma.secretCheck.findUnique({ where: { name: CHECK_NAME } });
    if (!check) {
      const cipher = new Uint8Array(secretBox.seal(CHECK_TEXT, sealContext.check));
      await prisma.secretCheck.create({ data: { name: CHECK_NAME, cipher, createdAt: new Date(this.options.clock.now()) } });
      return;
    }
    if (!opens(() => secretBox.open(check.cipher, sealContext.check))) {
      throw new Error(
        "ENCRYPTION_KEY is not the one that this database was written with. Start with the key of the first start (kept in the data directory, or wherever DATABASE_URL was set), or use an empty database."
      );
    }
  }

  private async ensureAdmin(): Promise<{ userId: string; admin: BootstrapResult["admin"] }> {
    const { prisma } = this.options.environments;
    const existing = await prisma.userAccount.findFirst({ where: { admin: true, disabledAt: null }, orderBy: { createdAt: "asc" } });
    if (existing) return { userId: existing.id, admin: null };
    const email = this.options.adminEmail.toLowerCase();
    const password = this.options.adminPassword ?? randomText(PASSWORD_CHARS);
    const now = this.options.clock.now();
    const data = { id: mintId(now), email, name: "Administrator", passwordHash: await hashPassword(password), admin: true };
    await prisma.userAccount.create({ data: { ...data, createdAt: new Date(now) } });
    return { userId: data.id, admin: { email, password } };
  }

  private async ensureOrganization(userId: string): Promise<string> {
    const { prisma, createOrganization } = this.options.environments;
    const existing = await prisma.organization.findFirst({
      where: { deletedAt: null, members: { some: { userId } } },
      orderBy: { createdAt: "asc" },
      select: { id: true },
    });
    return existing?.id ?? (await createOrganization.call({ title: FIRST_TITLE, ownerUserId: userId })).id;
  }

  private async ensureProject(organizationId: string): Promise<string> {
    const { prisma, createProject } = this.options.environments;
    const existing = await prisma.project.findFirst({
      where: { organizationId, deletedAt: null },
      orderBy: { createdAt: "asc" },
      select: { externalRef: true },
    });
    return existing?.externalRef ?? (await createProject.call({ organizationId, name: FIRST_PROJECT })).ref;
  }

  /** Keeps the token of a file that still works; a lost or foreign file gets a new one. */
  private async writeCredentials(input: { userId: string; projectRef: string }): Promise<Credentials> {
    const { auth, apiUrl, credentialsPath } = this.options;
    const credentials: Credentials = {
      apiUrl,
      projectRef: input.projectRef,
      personalAccessToken: (await this.tokenOnFile()) ?? (await auth.tokens.create({ userId: input.userId, name: TOKEN_NAME })).token,
      environments: {
        dev: await this.environment(input.projectRef, "dev"),
        staging: await this.environment(input.projectRef, "staging"),
        prod: await this.environment(input.projectRef, "prod"),
      },
      loginUrl: await auth.loginLinks.create(input.userId),
    };
    await writePrivateFile(credentialsPath, `${JSON.stringify(credentials, null, 2)}\n`);
    return credentials;
  }

  private async tokenOnFile(): Promise<string | null> {
    const text = await readFile(this.options.credentialsPath, "utf8").catch(() => "null");
    const file = Credentials.safeParse(parseJson(text));
    if (!file.success) return null;
    return (await this.options.auth.tokens.find(file.data.personalAccessToken)) ? file.data.personalAccessToken : null;
  }

  private async environment(ref: string, slug: "dev" | "staging" | "prod"): Promise<{ id: string; secretKey: string }> {
    const view = await this.options.environments.bySlug(ref, slug, null);
    if (!view)
      throw new AppError("environment_not_found", 404, `Project ${ref} has lost its ${slug} environment. Restore it from a backup.`);
    return { id: view.id, secretKey: view.secretKey };
  }
}

function opens(open: () => string): boolean {
  try {
    return open() === CHECK_TEXT;
  } catch {
    return false;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Readers see the old file or the new one, never half of one. */
async function writePrivateFile(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}.${randomText(6)}`;
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, file);
}
