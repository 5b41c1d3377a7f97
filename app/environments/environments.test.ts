import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestServices, type TestServices } from "../../test/services";
import { manualClock, systemClock } from "../platform/clock";
import { waitFor, createTenant, TEST_ENCRYPTION_KEY, type Tenant } from "../../test/tenant";
import { createEnvironments, type Environments } from "./environments.server";
import { toPostgresJson } from "./postgresJson";
import { REDACTED } from "./environmentVariables.server";

let services: TestServices;
let environments: Environments;
let tenant: Tenant;

beforeAll(async () => {
  services = await createTestServices();
  environments = build();
  await environments.start();
  tenant = await createTenant(environments);
});

afterAll(async () => {
  await environments.stop();
  await services.close();
});

function build(clock = systemClock): Environments {
  return createEnvironments({
    pool: services.pool,
    directDatabaseUrl: services.databaseUrl,
    encryptionKey: TEST_ENCRYPTION_KEY,
    defaultConcurrency: 7,
    clock,
    log: services.log,
  });
}

function manifest(contentHash: string, tasks: { id: string; queue?: { name?: string; concurrencyLimit?: number } }[] = [{ id: "hello" }]) {
  return {
    localOnly: true,
    engine: "V2" as const,
    supportsLazyAttempts: true,
    metadata: {
      packageVersion: "4.8.3",
      cliPackageVersion: "4.8.3",
      contentHash,
      runtime: "node",
      tasks: tasks.map((task) => ({ filePath: "src/trigger/a.ts", retry: { maxAttempts: 3 }, ...task })),
      queues: [{ name: "shared", concurrencyLimit: 2 }],
      sourceFiles: [{ filePath: "a.ts", contents: "eJw=", contentHash: "x", taskIds: ["hello"] }],
    },
  };
}

describe("projects", () => {
  it("come with dev, staging and prod, each with a key of its own kind", async () => {
    const { dev, staging, prod } = tenant;
    expect([dev.type, staging.type, prod.type]).toEqual(["DEVELOPMENT", "STAGING", "PRODUCTION"]);
    expect(dev.secretKey).toMatch(/^tr_dev_[0-9A-Za-z]{32}$/);
    expect(staging.secretKey).toMatch(/^tr_stg_/);
    expect(prod.secretKey).toMatch(/^tr_prod_/);
    for (const { secretKey } of [dev, staging, prod]) {
      expect(secretKey).not.toMatch(/^tr_(dev|stg|prod|preview)_sk_[0-9a-zA-Z]{24}$/);
      expect(secretKey).not.toContain(".");
    }
    expect(dev).toMatchObject({ maxConcurrency: 7, burstFactor: 1, region: dev.id, pausedAt: null });
  });

  it("keep keys encrypted: the database holds neither the text nor anything that contains it", async () => {
    const { rows } = await services.pool.query("SELECT secret_key_cipher FROM environment WHERE id = $1", [tenant.dev.id]);
    expect(rows[0].secret_key_cipher.toString("latin1")).not.toContain(tenant.dev.secretKey.slice(7));
  });

  it("get distinct slugs for the same name", async () => {
    const [a, b] = [await environments.createProject.call(tenant.projectInput), await environments.createProject.call(tenant.projectInput)];
    expect(a.slug).not.toBe(b.slug);
    expect(a.ref).not.toBe(b.ref);
  });

  it("are seen by members only", async () => {
    const { tenancy } = environments;
    await expect(tenancy.project(tenant.ref, [])).rejects.toMatchObject({ status: 404, message: "Project not found" });
    await expect(tenancy.environment({ ref: tenant.ref, slug: "dev", branch: null, organizationIds: ["other"] })).rejects.toMatchObject({
      message: "Project not found",
    });
    await expect(
      tenancy.environment({ ref: tenant.ref, slug: "moon", branch: null, organizationIds: tenant.organizationIds })
    ).rejects.toMatchObject({
      status: 404,
    });
    expect(await tenancy.project(tenant.ref, tenant.organizationIds)).toMatchObject({ ref: tenant.ref });
  });
});

describe("the directory", () => {
  it("finds an environment by key, id and place, and shares one frozen view", async () => {
    const byKey = await environments.bySecretKey(tenant.dev.secretKey);
    expect(byKey).toBe(await environments.byId(tenant.dev.id));
    expect(byKey).toBe(await environments.bySlug(tenant.ref, "dev", null));
    expect(Object.isFrozen(byKey)).toBe(true);
  });

  it.each([
    "",
    "tr_dev_",
    "tr_dev_unknown0000000000000000",
    "tr_dev_x y",
    "pk_dev_1",
    "tr_prod_\u0000aaaaaaaaaaaaaaaaaaaa",
    "x".repeat(10_000),
  ])("knows no key %j", async (key) => {
    expect(await environments.bySecretKey(key)).toBeNull();
  });

  it("answers from memory: a thousand lookups are no query", async () => {
    await environments.bySecretKey(tenant.dev.secretKey);
    const queries = countQueries();
    for (let i = 0; i < 1_000; i++) await environments.bySecretKey(tenant.dev.secretKey);
    expect(queries.stop()).toBe(0);
  });

  it("asks once for what many want at the same time", async () => {
    const cold = build();
    await cold.start();
    const queries = countQueries();
    await Promise.all(Array.from({ length: 50 }, () => cold.bySecretKey(tenant.prod.secretKey)));
    // One for the id behind the key, one for the environment.
    expect(queries.stop()).toBe(2);
    await cold.stop();
  });

  it("hears of changes made elsewhere", async () => {
    const project = await environments.createProject.call(tenant.projectInput);
    const other = build();
    await other.start();
    const before = await other.bySlug(project.ref, "prod", null);
    const envId = before?.id ?? "";
    await environments.updateEnvironment(envId, { maxConcurrency: 3, paused: true });
    await waitFor(async () => (await other.byId(envId))?.maxConcurrency === 3);
    expect((await other.byId(envId))?.pausedAt).toBeInstanceOf(Date);
    await environments.prisma.project.update({ where: { id: project.id }, data: { name: "Renamed" } });
    await waitFor(async () => (await other.byId(envId))?.project.name === "Renamed");
    await other.stop();
  });

  it("hears of changes behind a pooler that swallows notifications", async () => {
    const other = build();
    await other.start();
    const project = await environments.createProject.call(tenant.projectInput);
    const envId = (await other.bySlug(project.ref, "dev", null))?.id ?? "";
    await services.pool.query("SELECT pg_notify('unrelated', 'x')");
    await withoutNotifications(() => environments.updateEnvironment(envId, { maxConcurrency: 4 }));
    await waitFor(async () => (await other.byId(envId))?.maxConcurrency === 4);
    await other.stop();
  });
});

describe("a directory whose connection fails", () => {
  it("reads again what is older than 500 ms, serves while the database is away for 30 s, and flushes on return", async () => {
    const clock = manualClock(Date.now());
    const isolated = await createTestServices();
    const writer = createEnvironments({ ...optionsOf(isolated), clock: systemClock });
    await writer.start();
    const place = await createTenant(writer);
    const proxyPool = isolated.pool;
    const reader = createEnvironments({ ...optionsOf(isolated), clock });
    // Never started: nothing proves that changes arrive, which is what a dead LISTEN connection means.
    expect((await reader.byId(place.dev.id))?.maxConcurrency).toBe(7);
    await writer.updateEnvironment(place.dev.id, { maxConcurrency: 9 });
    expect((await reader.byId(place.dev.id))?.maxConcurrency).toBe(7);
    clock.advance(501);
    expect((await reader.byId(place.dev.id))?.maxConcurrency).toBe(9);

    const failing = proxyPool as unknown as { query: unknown };
    const original = failing.query;
    failing.query = () => Promise.reject(new Error("connection refused"));
    clock.advance(20_000);
    expect((await reader.byId(place.dev.id))?.maxConcurrency).toBe(9);
    clock.advance(10_001);
    await expect(reader.byId(place.dev.id)).rejects.toMatchObject({ name: "RetryableError" });
    failing.query = original;
    clock.advance(1);
    expect((await reader.byId(place.dev.id))?.maxConcurrency).toBe(9);
    await writer.stop();
    await reader.stop();
    await isolated.close();
  });

  it("reconnects after its connection is killed, and tells listeners to drop everything", async () => {
    const scopes: string[] = [];
    const stop = environments.changes.subscribe((change) => scopes.push(change.scope));
    await services.pool.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice-config-changes' AND datname = current_database()"
    );
    await waitFor(() => scopes.includes("everything"));
    const seen = scopes.length;
    await environments.updateEnvironment(tenant.staging.id, { maxConcurrency: 8 });
    await waitFor(() => scopes.slice(seen).includes("environment"));
    stop();
  });
});

function optionsOf(target: TestServices) {
  return {
    pool: target.pool,
    directDatabaseUrl: target.databaseUrl,
    encryptionKey: TEST_ENCRYPTION_KEY,
    defaultConcurrency: 7,
    log: target.log,
  };
}

describe("rotating a key", () => {
  it("lets the old key work until its grace ends, on every process", async () => {
    const clock = manualClock(Date.now());
    const here = build(clock);
    const project = await environments.createProject.call(tenant.projectInput);
    const view = await here.bySlug(project.ref, "prod", null);
    if (!view) throw new Error("no prod environment");
    const ownerOf = async (key: string) => (await here.bySecretKey(key))?.id;
    const rotated = await here.rotateKey.call({ envId: view.id, graceMs: 60_000 });
    expect(rotated.oldKeyUntil?.getTime()).toBe(clock.now() + 60_000);
    clock.advance(501);
    expect(await ownerOf(view.secretKey)).toBe(view.id);
    expect(await ownerOf(rotated.secretKey)).toBe(view.id);
    clock.advance(60_000);
    expect(await ownerOf(view.secretKey)).toBeUndefined();
    expect(await ownerOf(rotated.secretKey)).toBe(view.id);
    await here.stop();
  });

  it("revoked at once, it stops on another process within a second", async () => {
    const other = build();
    await other.start();
    const project = await environments.createProject.call(tenant.projectInput);
    const view = await other.bySlug(project.ref, "prod", null);
    const oldKey = view?.secretKey ?? "";
    expect(await other.bySecretKey(oldKey)).not.toBeNull();
    await environments.rotateKey.call({ envId: view?.id ?? "", graceMs: 0 });
    await waitFor(async () => (await other.bySecretKey(oldKey)) === null, 1_000);
    await other.stop();
  });

  it("refuses a grace beyond 14 days and an unknown environment", async () => {
    await expect(environments.rotateKey.call({ envId: tenant.dev.id, graceMs: 15 * 86_400_000 })).rejects.toMatchObject({ status: 400 });
    await expect(environments.rotateKey.call({ envId: "nowhere" })).rejects.toMatchObject({ status: 404 });
  });

  it("twice at the same time leaves one current key and both old ones in grace", async () => {
    const project = await environments.createProject.call(tenant.projectInput);
    const view = await environments.bySlug(project.ref, "staging", null);
    const envId = view?.id ?? "";
    const [a, b] = await Promise.all([environments.rotateKey.call({ envId }), environments.rotateKey.call({ envId })]);
    await waitFor(async () => ((await environments.byId(envId))?.graceKeys.length ?? 0) === 2);
    for (const key of [a.secretKey, b.secretKey, view?.secretKey ?? ""]) expect((await environments.bySecretKey(key))?.id).toBe(envId);
    expect((await environments.rotateKey.revokeOldKeys(envId)).revoked).toBe(2);
    await waitFor(async () => (await environments.bySecretKey(view?.secretKey ?? "")) === null);
  });
});

describe("branches", () => {
  it("are found again, use their parent's key, and inherit its variables", async () => {
    const { id, created } = await environments.upsertBranch.call({ projectId: tenant.projectId, env: "preview", branch: "feat/a" });
    expect(created).toBe(true);
    expect(await environments.upsertBranch.call({ projectId: tenant.projectId, env: "preview", branch: "refs/heads/feat/a" })).toEqual({
      id,
      created: false,
    });
    const branch = await environments.bySlug(tenant.ref, "preview", "feat/a");
    const parent = await environments.bySlug(tenant.ref, "preview", null);
    expect(branch).toMatchObject({ id, parentId: parent?.id, secretKey: parent?.secretKey, type: "PREVIEW", branchName: "feat/a" });
    const variables = (envId: string, values: Record<string, string>) =>
      environments.variableStore.import({ envId, variables: new Map(Object.entries(values)), override: true, isSecret: false });
    await variables(parent?.id ?? "", { A: "parent", B: "parent" });
    await variables(id, { B: "branch" });
    await waitFor(async () => (await environments.variables(id)).B === "branch");
    expect(await environments.variables(id)).toEqual({ A: "parent", B: "branch" });
  });

  it("racing makes one", async () => {
    const ids = await Promise.all(
      Array.from({ length: 8 }, () => environments.upsertBranch.call({ projectId: tenant.projectId, env: "dev", branch: "race" }))
    );
    expect(new Set(ids.map((each) => each.id)).size).toBe(1);
  });

  it.each(["", "default", "a..b", "/a", "a/", "with space", "x".repeat(256), "a\u0000b"])("refuses the name %j", async (branch) => {
    await expect(environments.upsertBranch.call({ projectId: tenant.projectId, env: "dev", branch })).rejects.toMatchObject({
      status: 400,
    });
  });
});

describe("variables", () => {
  const put = (variables: [string, string][], options: { override?: boolean; isSecret?: boolean } = {}) =>
    environments.variableStore.import({
      envId: tenant.staging.id,
      variables: new Map(variables),
      override: options.override ?? true,
      isSecret: options.isSecret ?? false,
    });

  it("are encrypted at rest, bound to their row, and redacted when secret", async () => {
    await put([["PLAIN", "visible"]]);
    await put([["HIDDEN", "do-not-show"]], { isSecret: true });
    const { rows } = await services.pool.query("SELECT id, key, value_cipher FROM environment_variable WHERE environment_id = $1", [
      tenant.staging.id,
    ]);
    expect(rows.some((row) => row.value_cipher.toString("latin1").includes("visible"))).toBe(false);
    const shown = await environments.variableStore.list(tenant.staging.id);
    expect(shown.find((variable) => variable.name === "HIDDEN")).toMatchObject({ value: REDACTED, isSecret: true });
    expect(await environments.variableStore.get(tenant.staging.id, "PLAIN")).toMatchObject({ value: "visible", isSecret: false });
    expect((await environments.variables(tenant.staging.id)).HIDDEN).toBe("do-not-show");
    const moved = rows.find((row) => row.key === "HIDDEN");
    expect(() => environments.secretBox.open(moved.value_cipher, `variable:${tenant.staging.id}:PLAIN`)).toThrow();
  });

  it("importing without override keeps what is there; a secret stays one", async () => {
    await put([["KEEP", "first"]], { isSecret: true });
    await put([["KEEP", "second"]], { override: false });
    await put([["KEEP", "third"]]);
    expect(await environments.variableStore.get(tenant.staging.id, "KEEP")).toMatchObject({ value: REDACTED });
    await waitFor(async () => (await environments.variables(tenant.staging.id)).KEEP === "third");
  });

  it.each([
    ["1BAD", "x"],
    ["", "x"],
    ["A=B", "x"],
    ["__proto__", "x"],
    ["TRIGGER_SECRET_KEY", "x"],
    ["NUL", "a\u0000b"],
    ["BIG", "x".repeat(131_073)],
  ])("refuses %j and writes nothing", async (name, value) => {
    await expect(
      put([
        ["GOOD_BESIDE_BAD", "1"],
        [name, value],
      ])
    ).rejects.toMatchObject({ status: 400 });
    await expect(environments.variableStore.get(tenant.staging.id, "GOOD_BESIDE_BAD")).rejects.toMatchObject({ status: 404 });
  });

  it("updates and deletes only what is set", async () => {
    await expect(environments.variableStore.update(tenant.staging.id, "ABSENT", "x")).rejects.toMatchObject({ status: 404 });
    await expect(environments.variableStore.delete(tenant.staging.id, "ABSENT")).rejects.toMatchObject({ status: 404 });
  });
});

describe("registering a worker version", () => {
  it("stores tasks and queues, becomes current in dev, and answers the same content with the same version", async () => {
    const body = manifest("hash-1", [
      { id: "hello" },
      { id: "slow", queue: { name: "shared" } },
      { id: "one", queue: { concurrencyLimit: 1 } },
    ]);
    const first = await environments.registerWorkerVersion({ envId: tenant.dev.id, body });
    expect(first).toMatchObject({ created: true, contentHash: "hash-1" });
    expect(first.version).toMatch(/^\d{8}\.1$/);
    expect(await environments.registerWorkerVersion({ envId: tenant.dev.id, body })).toMatchObject({ id: first.id, created: false });
    await waitFor(async () => (await environments.byId(tenant.dev.id))?.currentWorkerId === first.id);
    const worker = await environments.workerVersion(first.id);
    expect(worker?.tasks.get("slow")).toMatchObject({ queue: "shared", retry: { maxAttempts: 3 }, filePath: "src/trigger/a.ts" });
    expect(worker?.tasks.get("hello")?.queue).toBe("task/hello");
    expect([...(worker?.queues ?? [])].sort()).toEqual(["shared", "task/hello", "task/one", "task/slow"]);
    expect((await environments.versionByName(tenant.dev.id, first.version))?.id).toBe(first.id);
    const queues = await environments.queues(tenant.dev.id);
    expect(queues.find((queue) => queue.name === "shared")).toMatchObject({ type: "custom", limit: 2, base: 2 });
    expect(queues.find((queue) => queue.name === "task/one")).toMatchObject({ type: "task", limit: 1 });
  });

  it("numbers racing registrations without a gap or a repeat", async () => {
    const project = await environments.createProject.call(tenant.projectInput);
    const envId = (await environments.bySlug(project.ref, "prod", null))?.id ?? "";
    const made = await Promise.all(
      Array.from({ length: 6 }, (_, i) => environments.registerWorkerVersion({ envId, body: manifest(`race-${i}`) }))
    );
    expect(made.map((worker) => Number(worker.version.split(".")[1])).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6]);
    expect((await environments.byId(envId))?.currentWorkerId).toBeNull();
  });

  it("keeps an override of a limit, and resets to what code says", async () => {
    const envId = tenant.prod.id;
    await environments.registerWorkerVersion({ envId, body: manifest("a") });
    await environments.updateQueue({ envId, name: "shared", change: { kind: "override", limit: 50 } });
    const changed = manifest("b");
    changed.metadata.queues = [{ name: "shared", concurrencyLimit: 4 }];
    await environments.registerWorkerVersion({ envId, body: changed });
    await waitFor(async () => (await environments.queues(envId)).some((queue) => queue.base === 4 && queue.limit === 50));
    expect(await environments.updateQueue({ envId, name: "shared", change: { kind: "reset" } })).toMatchObject({
      limit: 4,
      overriddenAt: null,
    });
    expect((await environments.updateQueue({ envId, name: "shared", change: { kind: "pause" } })).pausedAt).toBeInstanceOf(Date);
    await expect(environments.updateQueue({ envId, name: "nope", change: { kind: "pause" } })).rejects.toMatchObject({ status: 404 });
  });

  it("stores schemas and descriptions that Postgres alone would refuse", async () => {
    const body = manifest("nul");
    Object.assign(body.metadata.tasks[0] ?? {}, { description: "a\u0000b \ud800 \\u0000", payloadSchema: { "k\u0000": "\udfff" } });
    const { id } = await environments.registerWorkerVersion({ envId: tenant.staging.id, body });
    expect((await environments.workerVersion(id))?.tasks.get("hello")).toMatchObject({
      description: "ab \ufffd \\u0000",
      payloadSchema: { k: "\ufffd" },
    });
  });

  it("refuses the same task twice, over-long ids and impossible limits, writing nothing", async () => {
    const envId = tenant.staging.id;
    const before = await environments.queues(envId);
    for (const tasks of [
      [{ id: "x" }, { id: "x" }],
      [{ id: "y".repeat(129) }],
      [{ id: "" }],
      [{ id: "z", queue: { concurrencyLimit: -1 } }],
    ]) {
      await expect(environments.registerWorkerVersion({ envId, body: manifest("bad", tasks) })).rejects.toMatchObject({ status: 400 });
    }
    expect(await environments.queues(envId)).toEqual(before);
  });
});

describe("JSON for Postgres", () => {
  it("drops NULs and mends halves of pairs, and leaves text that only looks like an escape", () => {
    expect(JSON.parse(toPostgresJson({ a: "x\u0000y", b: "\\u0000", c: "\\\u0000", d: "😀\ud83d" }))).toEqual({
      a: "xy",
      b: "\\u0000",
      c: "\\",
      d: "😀\ufffd",
    });
  });
});

/** Counts queries that go through the shared pool. */
function countQueries(): { stop(): number } {
  const pool = services.pool as unknown as { query: (...args: unknown[]) => unknown };
  const original = pool.query;
  let count = 0;
  pool.query = function (this: unknown, ...args: unknown[]) {
    count++;
    return original.apply(services.pool, args);
  };
  return {
    stop: () => {
      pool.query = original;
      return count;
    },
  };
}

/** Runs `work` while the trigger function only writes the table. */
async function withoutNotifications(work: () => Promise<void>): Promise<void> {
  const { rows } = await services.pool.query("SELECT pg_get_functiondef('report_config_change'::regproc) AS text");
  const text: string = rows[0].text;
  await services.pool.query(text.replace(/PERFORM pg_notify\([^;]*;/, ""));
  await work();
  await services.pool.query(text);
}
