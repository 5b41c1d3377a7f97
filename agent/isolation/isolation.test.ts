import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asUser, detectIsolation, homeOf } from "./isolation";

const isRoot = process.getuid?.() === 0;
let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), "sluice-isolation-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("detectIsolation", () => {
  it("never goes above what was asked for, and says why it stops where it does", () => {
    const none = detectIsolation({ wanted: "L0", node: process.execPath, agent: "test" });
    expect(none).toMatchObject({ level: "L0", cgroups: null });
    expect(none.note).toContain("--isolation L0");
    const most = detectIsolation({ wanted: null, node: process.execPath, agent: "test", cgroupRoot: root });
    expect(most.level).toBe(isRoot ? "L1" : "L0");
    expect(most.note).toContain(isRoot ? "no memory control groups" : "not root");
  });

  it("finds out by trying: a Node that other users cannot run gives L0", () => {
    const closed = path.join(root, "node");
    writeFileSync(closed, "", { mode: 0o700 });
    const level = detectIsolation({ wanted: null, node: closed, agent: "test" });
    expect(level.level).toBe("L0");
    expect(level.note).toContain("can read what it can read");
  });
});

describe("L1", () => {
  const uid = 1_900_000_123;
  const run = (code: string) => {
    const plain = { command: process.execPath, args: ["-e", code], env: { NODE_ENV: "production" as const, PATH: process.env.PATH ?? "" } };
    const { command, args, env } = asUser(uid, plain, path.join(root, "homes"));
    const { stdout, stderr } = spawnSync(command, args, { cwd: "/", env, encoding: "utf8" });
    return stdout.trim() || stderr;
  };

  it("gives an environment a user, a HOME and a TMPDIR of its own", () => {
    // Only root can switch users; an ordinary user gets L0, which the tests above cover.
    if (!isRoot) return;
    rmSync(root, { recursive: true });
    mkdirSync(root, { mode: 0o755 });
    const homes = homeOf(path.join(root, "homes"), uid);
    expect(statSync(homes.HOME)).toMatchObject({ uid, gid: uid, mode: 0o40700 });
    const seen = JSON.parse(
      run(
        "fs.writeFileSync(os.tmpdir()+'/x','1');console.log(JSON.stringify([process.getuid(),process.getgid(),process.getgroups(),os.homedir()]))"
      )
    );
    expect(seen).toEqual([uid, uid, [uid], homes.HOME]);
    expect(existsSync(path.join(homes.TMPDIR, "x"))).toBe(true);
  });

  it("keeps tasks from the agent's files, from new privileges and from core dumps", () => {
    if (!isRoot) return;
    rmSync(root, { recursive: true });
    mkdirSync(root, { mode: 0o755 });
    const secret = path.join(root, "secrets.json");
    writeFileSync(secret, "secret", { mode: 0o600 });
    expect(run(`try{console.log(fs.readFileSync(${JSON.stringify(secret)},"utf8"))}catch(e){console.log(e.code)}`)).toBe("EACCES");
    expect(run("console.log(/NoNewPrivs:\\s+(\\d)/.exec(fs.readFileSync('/proc/self/status','utf8'))[1])")).toBe("1");
    expect(run("console.log(/Max core file size\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/limits','utf8'))[1])")).toBe("0");
    expect(run("try{process.setuid(0)}catch(e){console.log(e.code)}")).toBe("EPERM");
  });
});
