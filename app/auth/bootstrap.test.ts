import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { WhoAmIResponseSchema } from "@trigger.dev/core/v3/schemas";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestServices, type TestServices } from "../../test/services";
import { TEST_ENCRYPTION_KEY } from "../../test/tenant";
import { environmentsEnvSchema } from "../environments/env";
import { createEnvironments } from "../environments/environments.server";
import { systemClock } from "../platform/clock";
import { createAuth } from "./auth.server";
import { BootstrapService } from "./bootstrap.server";

let services: TestServices;
let directory: string;

beforeAll(async () => {
  services = await createTestServices();
  directory = await mkdtemp(path.join(os.tmpdir(), "sluice-bootstrap-"));
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
  await services.close();
});

/** What one process would build. */
function processOf(options: { file: string; apiUrl?: string; encryptionKey?: string } = { file: "credentials.json" }) {
  const { pool, databaseUrl, log } = services;
  const apiUrl = options.apiUrl ?? "http://localhost:3030";
  const environments = createEnvironments({
    pool,
    directDatabaseUrl: databaseUrl,
    encryptionKey: options.encryptionKey ?? TEST_ENCRYPTION_KEY,
    defaultConcurrency: 100,
    clock: systemClock,
    log,
  });
  const auth = createAuth({
    pool,
    prisma: environments.prisma,
    directory: environments,
    clock: systemClock,
    log,
    origin: apiUrl,
    sessionDays: 14,
    loginAttempts: 10,
  });
  const { ADMIN_EMAIL } = environmentsEnvSchema.parse({});
  const bootstrap = new BootstrapService({
    pool,
    environments,
    auth,
    clock: systemClock,
    apiUrl,
    adminEmail: ADMIN_EMAIL,
    adminPassword: null,
    credentialsPath: path.join(directory, options.file),
  });
  return { environments, auth, bootstrap };
}

async function count(table: string): Promise<number> {
  const { rows } = await services.pool.query(`SELECT count(*) AS n FROM ${table}`);
  return rows[0].n;
}

describe("first start", () => {
  it("by three processes at once makes one of everything, and a file that each of them can use", async () => {
    const processes = ["a/credentials.json", "b/credentials.json", "credentials.json"].map((file) => processOf({ file }));
    const results = await Promise.all(processes.map((each) => each.bootstrap.call()));
    expect(results.filter((result) => result.admin !== null)).toHaveLength(1);
    expect([await count("user_account"), await count("organization"), await count("project"), await count("environment")]).toEqual([
      1, 1, 1, 3,
    ]);
    expect(new Set(results.map((result) => result.credentials.environments.dev.secretKey)).size).toBe(1);
    const admin = results.find((result) => result.admin)?.admin;
    const { auth } = processOf();
    const request = new Request("http://localhost:3030/login", { method: "POST" });
    expect(await auth.login({ email: admin?.email ?? "", password: admin?.password ?? "", request })).toMatchObject({ ok: true });
  });

  it("writes exactly the documented shape, readable by its owner only, without leftovers", async () => {
    const file = path.join(directory, "credentials.json");
    const credentials = JSON.parse(await readFile(file, "utf8"));
    expect(credentials).toEqual({
      apiUrl: "http://localhost:3030",
      projectRef: expect.stringMatching(/^proj_[a-z0-9]{20}$/),
      personalAccessToken: expect.stringMatching(/^tr_pat_/),
      environments: {
        dev: { id: expect.any(String), secretKey: expect.stringMatching(/^tr_dev_/) },
        staging: { id: expect.any(String), secretKey: expect.stringMatching(/^tr_stg_/) },
        prod: { id: expect.any(String), secretKey: expect.stringMatching(/^tr_prod_/) },
      },
      loginUrl: expect.stringMatching(/^http:\/\/localhost:3030\/login\?token=/),
    });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await readdir(directory)).filter((name) => name.startsWith("credentials.json."))).toEqual([]);
    const { auth } = processOf();
    const request = new Request("http://x/", { headers: { authorization: `Bearer ${credentials.personalAccessToken}` } });
    const { userId, email } = await auth.personalAccessToken(request);
    // The CLI refuses an address that is not valid.
    WhoAmIResponseSchema.parse({ userId, email, dashboardUrl: "http://x" });
  });

  it("again keeps the token and the keys, follows the address, and gives a fresh link", async () => {
    const before = JSON.parse(await readFile(path.join(directory, "credentials.json"), "utf8"));
    const { credentials, admin } = await processOf({ file: "credentials.json", apiUrl: "http://localhost:4040" }).bootstrap.call();
    expect(admin).toBeNull();
    expect(credentials).toMatchObject({
      apiUrl: "http://localhost:4040",
      personalAccessToken: before.personalAccessToken,
      environments: before.environments,
    });
    expect(credentials.loginUrl).not.toBe(before.loginUrl);
  });

  it("after the file was lost or spoilt writes it anew with a new token", async () => {
    const file = path.join(directory, "credentials.json");
    const before = JSON.parse(await readFile(file, "utf8"));
    await rm(file);
    const { credentials } = await processOf().bootstrap.call();
    expect(credentials.personalAccessToken).not.toBe(before.personalAccessToken);
    expect(credentials.projectRef).toBe(before.projectRef);
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual(credentials);
  });

  it("after a rotation writes the new key", async () => {
    const { environments, bootstrap } = processOf();
    const { credentials } = await bootstrap.call();
    const { secretKey } = await environments.rotateKey.call({ envId: credentials.environments.prod.id });
    expect((await processOf().bootstrap.call()).credentials.environments.prod.secretKey).toBe(secretKey);
  });

  it("with another ENCRYPTION_KEY refuses, and changes nothing", async () => {
    const tokens = await count("personal_access_token");
    const stranger = processOf({ file: "stranger.json", encryptionKey: "ab".repeat(31) + "cd" });
    await expect(stranger.bootstrap.call()).rejects.toThrow(/ENCRYPTION_KEY is not the one/);
    expect(await count("personal_access_token")).toBe(tokens);
    expect(await readdir(directory)).not.toContain("stranger.json");
  });
});
