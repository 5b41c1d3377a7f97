import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLogger } from "../logger";
import { createRedis } from "../redis.server";
import { clusterHome, othersCanEnter } from "./binaries.server";
import { DirectoryInUseError, lockDirectory } from "./lock.server";
import { isRunning, pollUntil, processStamp, sendSignal } from "./processes.server";
import { openStores, rememberSecrets, type Stores } from "./stores.server";

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

describe("embedded stores", { timeout: 90_000 }, () => {
  let dataDir: string;
  let open: Stores[];

  beforeEach(() => {
    dataDir = mkdtempSync(path.join(os.tmpdir(), "sluice-stores-"));
    chmodSync(dataDir, 0o711);
    open = [];
  });
  afterEach(async () => {
    for (const stores of open) await stores.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  async function start(): Promise<Stores> {
    const stores = await openStores({ dataDir, searchPath: process.env.PATH ?? "", log: silentLogger });
    open.push(stores);
    return stores;
  }

  it("keeps data, ports and passwords over an orderly stop", async () => {
    const first = await start();
    await query(first.databaseUrl, "CREATE TABLE kept AS SELECT 7 AS value");
    await first.stop();
    await expect(query(first.databaseUrl, "SELECT 1")).rejects.toThrow();
    const second = await start();
    expect([second.databaseUrl, second.redisUrl]).toEqual([first.databaseUrl, first.redisUrl]);
    expect(await query(second.databaseUrl, "SELECT value FROM kept")).toEqual([{ value: 7 }]);
    expect(statSync(path.join(dataDir, "stores.json")).mode & 0o777).toBe(0o600);
  });

  it("adopts both servers when the process that started them was killed", async () => {
    const first = await start();
    await query(first.databaseUrl, "CREATE TABLE kept AS SELECT 8 AS value");
    const second = await start();
    expect(await query(second.databaseUrl, "SELECT value FROM kept")).toEqual([{ value: 8 }]);
    await second.stop();
    await expect(query(first.databaseUrl, "SELECT 1")).rejects.toThrow();
  });

  it("recovers a Postgres that was killed, and a Redis that does not answer", async () => {
    const first = await start();
    await query(first.databaseUrl, "CREATE TABLE kept AS SELECT 9 AS value");
    const [row] = (await query(first.databaseUrl, "SELECT pg_read_file('postmaster.pid') AS text")) as { text: string }[];
    const postmaster = Number(row?.text.split("\n")[0]);
    sendSignal(postmaster, "SIGKILL");
    const redis = createRedis({ url: first.redisUrl, name: "test", log: silentLogger });
    const redisPid = Number(/process_id:(\d+)/.exec(await redis.info("server"))?.[1]);
    redis.disconnect();
    sendSignal(redisPid, "SIGSTOP");
    const second = await start();
    expect(await query(second.databaseUrl, "SELECT value FROM kept")).toEqual([{ value: 9 }]);
    expect(isRunning(redisPid)).toBe(false);
  });

  it("takes another port when somebody else has the remembered one", async () => {
    const first = await start();
    await first.stop();
    const squatter = createServer().listen(Number(new URL(first.redisUrl).port), "127.0.0.1");
    await once(squatter, "listening");
    const second = await start();
    squatter.close();
    expect(new URL(second.redisUrl).port).not.toBe(new URL(first.redisUrl).port);
    expect(new URL(second.databaseUrl).port).toBe(new URL(first.databaseUrl).port);
  });

  it("refuses a cluster whose password was lost, and says what to restore", async () => {
    await (await start()).stop();
    rmSync(path.join(dataDir, "stores.json"));
    await expect(start()).rejects.toThrow(/stores\.json.*Restore/);
  });

  it("starts nothing when redis-server is missing", async () => {
    await expect(openStores({ dataDir, searchPath: "", log: silentLogger })).rejects.toThrow(
      /redis-server is not installed.*apt-get install/
    );
    expect(existsSync(path.join(dataDir, "postgres"))).toBe(false);
  });

  it("makes secrets once, private to the user", () => {
    const first = rememberSecrets(dataDir, { KEY: "a" });
    expect(rememberSecrets(dataDir, { KEY: "b", NEW: "c" })).toEqual({ KEY: first.KEY, NEW: "c" });
    expect(statSync(path.join(dataDir, "secrets.json")).mode & 0o777).toBe(0o600);
    writeFileSync(path.join(dataDir, "secrets.json"), "{half");
    expect(() => rememberSecrets(dataDir, { KEY: "d" })).toThrow(/cannot be read/);
  });

  it("puts the cluster elsewhere when its user cannot enter the data directory", () => {
    chmodSync(dataDir, 0o700);
    const inside = path.join(dataDir, "nested");
    expect(othersCanEnter(inside)).toBe(false);
    expect(clusterHome(inside, "ab12", { uid: 1, gid: 1 })).toBe("/var/lib/sluice/ab12/postgres");
    expect(clusterHome(inside, "ab12", undefined)).toBe(path.join(inside, "postgres"));
  });
});

describe("directory lock", () => {
  let dataDir: string;

  beforeEach(() => {
    dataDir = mkdtempSync(path.join(os.tmpdir(), "sluice-lock-"));
  });
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

  it("refuses while the owner lives, naming its pid, and not after it was killed", async () => {
    const owner = spawn(process.execPath, ["-e", "setInterval(() => undefined, 1000)"]);
    const pid = Number(owner.pid);
    await pollUntil(5_000, () => (processStamp(pid) ? true : undefined));
    writeFileSync(path.join(dataDir, "server.pid"), JSON.stringify({ pid, stamp: processStamp(pid) }));
    expect(() => lockDirectory(dataDir)).toThrow(DirectoryInUseError);
    expect(() => lockDirectory(dataDir)).toThrow(new RegExp(`pid ${pid}`));
    owner.kill("SIGKILL");
    await once(owner, "exit");
    const release = lockDirectory(dataDir);
    release();
    lockDirectory(dataDir)();
  });

  it("is not fooled by a pid that now belongs to another program", () => {
    writeFileSync(path.join(dataDir, "server.pid"), JSON.stringify({ pid: process.ppid, stamp: "1" }));
    if (processStamp(process.ppid)) expect(lockDirectory(dataDir)).toBeTypeOf("function");
  });

  it("admits one of many that start at the same instant", () => {
    const file = path.resolve(import.meta.dirname, "lock.server.ts");
    const code = `import(${JSON.stringify(file)}).then((m) => { try { m.lockDirectory(${JSON.stringify(dataDir)}); console.log("taken"); setTimeout(() => undefined, 1500); } catch (e) { console.log(e.name); } })`;
    const command = Array.from({ length: 4 }, () => `node --import tsx -e '${code}' &`).join("\n");
    const output = execFileSync("sh", ["-c", `${command}\nwait`], { encoding: "utf8" });
    expect(output.trim().split("\n").sort()).toEqual(["DirectoryInUseError", "DirectoryInUseError", "DirectoryInUseError", "taken"]);
  });
});
