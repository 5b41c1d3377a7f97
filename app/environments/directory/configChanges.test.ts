/** The feed of changes over a connection that hangs, is cut, or loses its database. */
import net from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createTestServices, type TestServices } from "../../../test/services";
import { createTenant, TEST_ENCRYPTION_KEY, waitFor, type Tenant } from "../../../test/tenant";
import { systemClock } from "../../platform/clock";
import { createConfigChanges, type ListeningConfigChanges } from "./configChanges.server";
import { createEnvironments, type Environments } from "../environments.server";
import type { ConfigChange } from "../types";

let services: TestServices;
let writer: Environments;
let tenant: Tenant;
let line: Line;
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  services = await createTestServices();
  line = await openLine(new URL(services.databaseUrl));
  writer = environmentsOver(services.databaseUrl);
  await writer.start();
  tenant = await createTenant(writer);
});
afterEach(async () => {
  line.thaw();
  for (const stop of stops.splice(0)) await stop();
});
afterAll(async () => {
  await writer.stop();
  await line.close();
  await services.close();
});

function environmentsOver(directDatabaseUrl: string): Environments {
  const { pool, log } = services;
  return createEnvironments({
    pool,
    directDatabaseUrl,
    encryptionKey: TEST_ENCRYPTION_KEY,
    defaultConcurrency: 5,
    clock: systemClock,
    log,
  });
}

async function listen(): Promise<{ changes: ListeningConfigChanges; heard: ConfigChange[] }> {
  const changes = createConfigChanges({ databaseUrl: line.url, clock: systemClock, log: services.log });
  const heard: ConfigChange[] = [];
  changes.subscribe((change) => heard.push(change));
  await changes.start();
  stops.push(() => changes.stop());
  return { changes, heard };
}

const setLimit = (maxConcurrency: number) => writer.updateEnvironment(tenant.dev.id, { maxConcurrency });
const ofEnvironment = (heard: ConfigChange[]) => heard.filter((change) => change.scope === "environment");

describe("a feed of changes", () => {
  it("delivers each change once, though it arrives as a notification and in the table", async () => {
    const { heard } = await listen();
    for (let limit = 11; limit <= 20; limit++) await setLimit(limit);
    await waitFor(() => ofEnvironment(heard).length >= 10);
    // Two tails later nothing has come twice: the flag's change marks that they were read.
    for (const key of ["first", "second"]) {
      await writer.flags.set({ key, value: true });
      await waitFor(() => heard.filter((change) => change.scope === "flag").length >= (key === "first" ? 1 : 2));
    }
    expect(ofEnvironment(heard)).toEqual(Array.from({ length: 10 }, () => ({ scope: "environment", id: tenant.dev.id })));
  });

  it("says nothing of a change that was rolled back, and goes on after the gap in the numbers", async () => {
    const { heard } = await listen();
    const client = await services.pool.connect();
    await client.query("BEGIN");
    await client.query("UPDATE environment SET max_concurrency = 99 WHERE id = $1", [tenant.prod.id]);
    await client.query("ROLLBACK");
    client.release();
    await setLimit(21);
    await waitFor(() => ofEnvironment(heard).length === 1);
    expect(heard.some((change) => change.id === tenant.prod.id)).toBe(false);
  });

  it.each([
    ["a user", "user", () => writer.prisma.userAccount.update({ where: { id: tenant.userId }, data: { name: "N" } })],
    ["a membership", "user", () => writer.prisma.orgMember.updateMany({ where: { userId: tenant.userId }, data: { role: "admin" } })],
    ["an organization", "organization", () => writer.prisma.organization.updateMany({ data: { title: "T" } })],
    ["a project", "project", () => writer.prisma.project.updateMany({ data: { name: "P" } })],
    ["a key", "key", () => writer.rotateKey.call({ envId: tenant.prod.id })],
    [
      "a variable",
      "variables",
      () => writer.variableStore.import({ envId: tenant.prod.id, variables: new Map([["V", "1"]]), override: true, isSecret: false }),
    ],
    ["a current worker", "worker", () => writer.prisma.environment.updateMany({ data: { currentWorkerId: "w" } })],
    ["a flag", "flag", () => writer.flags.set({ key: "f", value: 1 })],
  ] as const)("tells of %s", async (_name, scope, change) => {
    const { heard } = await listen();
    await change();
    await waitFor(() => heard.some((each) => each.scope === scope));
  });

  it("notices a connection that hangs, connects again, and says that everything may have changed", async () => {
    const { changes, heard } = await listen();
    line.freeze();
    await waitFor(() => !changes.healthy());
    const before = heard.length;
    await setLimit(22);
    line.thaw();
    await waitFor(() => changes.healthy());
    expect(heard.slice(before)).toContainEqual({ scope: "everything", id: null });
    await setLimit(23);
    await waitFor(() => ofEnvironment(heard.slice(before)).length > 0);
  });

  it("notices that trimming old changes hangs: a connection that is waiting proves nothing", async () => {
    const holder = await services.pool.connect();
    await holder.query("BEGIN; LOCK TABLE config_change IN SHARE MODE");
    try {
      const { changes } = await listen();
      await waitFor(() => !changes.healthy());
    } finally {
      await holder.query("ROLLBACK");
      holder.release();
    }
  });

  it("refuses to start without a database, and may be started again", async () => {
    const changes = createConfigChanges({ databaseUrl: line.url, clock: systemClock, log: services.log });
    line.cut();
    await expect(changes.start()).rejects.toThrow();
    expect(changes.healthy()).toBe(false);
    line.thaw();
    await changes.start();
    expect(changes.healthy()).toBe(true);
    await changes.stop();
    expect(changes.healthy()).toBe(false);
  });
});

describe("a process whose feed hangs", () => {
  it("still refuses a revoked key, because it reads again what it cannot prove", async () => {
    const reader = environmentsOver(line.url);
    await reader.start();
    stops.push(() => reader.stop());
    const key = tenant.staging.secretKey;
    expect(await reader.bySecretKey(key)).not.toBeNull();
    line.freeze();
    await writer.rotateKey.call({ envId: tenant.staging.id, graceMs: 0 });
    await waitFor(async () => (await reader.bySecretKey(key)) === null);
  });
});

type Line = { url: string; freeze(): void; cut(): void; thaw(): void; close(): Promise<void> };

/** A wire to Postgres: frozen, bytes stop in both directions while connections stay open; cut, new ones are refused. */
async function openLine(target: URL): Promise<Line> {
  const ends = new Set<net.Socket>();
  let state: "open" | "frozen" | "cut" = "open";
  const server = net.createServer((near) => {
    if (state === "cut") return void near.destroy();
    const far = net.connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      ends.add(from);
      from.on("data", (bytes) => void to.write(bytes));
      from.on("error", () => undefined);
      from.on("close", () => {
        ends.delete(from);
        to.destroy();
      });
      if (state === "frozen") from.pause();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = new URL(target);
  url.hostname = "127.0.0.1";
  url.port = String((server.address() as net.AddressInfo).port);
  return {
    url: url.href,
    freeze: () => {
      state = "frozen";
      for (const end of ends) end.pause();
    },
    cut: () => {
      state = "cut";
      for (const end of ends) end.destroy();
    },
    thaw: () => {
      state = "open";
      for (const end of ends) end.resume();
    },
    close: async () => {
      for (const end of ends) end.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
