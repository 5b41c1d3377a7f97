import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseOptions, UsageError } from "./options";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), "sluice-options-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const REQUIRED = ["--url", "http://sluice.test/", "--token", "tr_wgt_x", "--region", "eu"];

describe("parseOptions", () => {
  it("reads what `npm run agent` is given, with defaults", () => {
    const options = parseOptions(
      [...REQUIRED, "--name", "a-1", "--slots", "4", "--roles", "runner", "--runtime", "node-22=/opt/22/bin/node"],
      {}
    );
    expect(options).toMatchObject({
      url: "http://sluice.test",
      token: "tr_wgt_x",
      region: "eu",
      name: "a-1",
      slots: 4,
      roles: ["runner"],
      drainMs: 60_000,
    });
    expect(options.runtimes.get("node-22")).toBe("/opt/22/bin/node");
    expect(parseOptions(REQUIRED, {})).toMatchObject({
      name: null,
      slots: null,
      isolation: null,
      roles: ["runner", "builder"],
      withParent: false,
    });
  });

  it("knows Bun as a program and as a package, whichever was named", () => {
    const bun = path.join(dir, "bun");
    writeFileSync(bun, "");
    const named = parseOptions([...REQUIRED, "--runtime", "bun-1.4=/opt/bun/bun", "--packages", "chromium"], {});
    expect(named.packages).toEqual(["chromium", "bun"]);
    const found = parseOptions([...REQUIRED, "--packages", "bun"], { PATH: `.:/nowhere:${dir}` });
    expect(found.runtimes.get("bun")).toBe(bun);
  });

  it("takes the token from the environment, and everything from a file", () => {
    expect(parseOptions(["--url", "https://s.test", "--region", "eu"], { SLUICE_AGENT_TOKEN: "tr_wgt_env" }).token).toBe("tr_wgt_env");
    const file = path.join(dir, "agent.json");
    writeFileSync(file, JSON.stringify({ url: "http://127.0.0.1:3030", token: "tr_wgt_file", region: "local" }));
    expect(parseOptions(["--file", file], {})).toMatchObject({ url: "http://127.0.0.1:3030", token: "tr_wgt_file", region: "local" });
    expect(parseOptions(["--file", file, "--region", "eu"], {}).region).toBe("eu");
  });

  it.each([
    [[], "--url is missing"],
    [["--url", "sluice.test"], "--url must begin with"],
    [["--url", "http://s.test", "--region", "eu"], "--token is missing"],
    [["--url", "http://s.test", "--token", "tr_pat_x", "--region", "eu"], "it begins with tr_wgt_"],
    [["--url", "http://s.test", "--token", "tr_wgt_x"], "--region is missing"],
    [[...REQUIRED, "--slots", "0"], "--slots must be a whole number from 1"],
    [[...REQUIRED, "--slots", "1.5"], "--slots must be a whole number"],
    [[...REQUIRED, "--roles", "driver"], "--roles does not know driver"],
    [[...REQUIRED, "--isolation", "L9"], "--isolation does not know L9"],
    [[...REQUIRED, "--name", "../x"], "--name takes"],
    [[...REQUIRED, "--runtime", "node-22"], "--runtime takes"],
    [[...REQUIRED, "--runtime", "bun=/opt/bun-1.4"], "--runtime bun takes a file named bun"],
    [[...REQUIRED, "--packages", "bun"], "PATH has none"],
    [[...REQUIRED, "--colour", "red"], "colour"],
    [["--file", "/nowhere.json"], "must be JSON with url, token and region"],
  ])("refuses %j", (args, text) => {
    expect(() => parseOptions(args, {})).toThrow(UsageError);
    expect(() => parseOptions(args, {})).toThrow(text);
  });
});
