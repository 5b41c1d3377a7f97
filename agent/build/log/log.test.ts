import { describe, expect, it } from "vitest";
import { BuildLog } from "./buildLog";
import { saysNetwork, saysNoSpace, toBuildError } from "../errors";
import { createMask } from "./mask";
import { passedThrough } from "../builder";
import type { BuildLogLine } from "../protocol";
import { lastWords, plainLines } from "./terminal";

describe("masking (test 98)", () => {
  it("hides values of six characters and more, the longest first, in every form that logs show", () => {
    const mask = createMask(["secret", "secret-longer", "short", 'quote"d value', "a b/c?d&e", "first line\nsecond line"]);
    expect(mask("secret-longer and secret")).toBe("•••••• and ••••••");
    expect(mask("short")).toBe("short");
    expect(mask(JSON.stringify({ v: 'quote"d value' }))).toBe('{"v":"••••••"}');
    expect(mask("https://x/?p=a%20b%2Fc%3Fd%26e")).toBe("https://x/?p=••••••");
    expect(mask("x\nsecond line")).toBe("x\n••••••");
    expect(mask(JSON.stringify("first line\nsecond line"))).toBe('"••••••"');
  });

  it("learns values later", () => {
    const mask = createMask();
    expect(mask("opensesame")).toBe("opensesame");
    mask.add(["opensesame"]);
    expect(mask("opensesame")).toBe("••••••");
  });
});

describe("log of a build", () => {
  const collected = (maxLines?: number) => {
    const sent: BuildLogLine[][] = [];
    const log = new BuildLog({ mask: createMask(["hunter2-long"]), maxLines, send: async (lines) => void sent.push(lines) });
    return { log, sent, bodies: () => sent.flat().map(({ body }) => body) };
  };

  it("sends whole lines in order, masked across chunks, without colours, spinners and frames", async () => {
    const { log, bodies } = collected();
    const stream = log.stream("info");
    for (const chunk of [
      "one\ntw",
      "o hunter2",
      "-long\n",
      "\u001b[31mred\u001b[0m\n",
      "◒  Loading\u001b[999D\u001b[J◐  Loading\u001b[999D\u001b[J",
      "done",
    ]) {
      stream.write(Buffer.from(chunk));
    }
    stream.end();
    await log.flush();
    expect(bodies()).toEqual(["one", "two ••••••", "red", "done"]);
  });

  it("keeps characters whole that arrive in two chunks", async () => {
    const { log, bodies } = collected();
    const stream = log.stream("info");
    const bytes = Buffer.from("grün\n");
    stream.write(bytes.subarray(0, 3));
    stream.write(bytes.subarray(3));
    await log.flush();
    expect(bodies()).toEqual(["grün"]);
  });

  it("stops after the most lines and says so once", async () => {
    const { log, bodies } = collected(3);
    for (let at = 0; at < 10; at++) log.write("info", `line ${at}`);
    await log.flush();
    expect(bodies()).toEqual(["line 0", "line 1", "line 2", "The log has more than 3 lines; the rest is left out."]);
  });

  it("batches, and goes on when a batch cannot be sent", async () => {
    let calls = 0;
    const log = new BuildLog({
      mask: createMask(),
      send: async (lines) => {
        calls++;
        if (calls === 1) throw new Error("away");
        expect(lines.length).toBeLessThanOrEqual(500);
      },
    });
    for (let at = 0; at < 1_200; at++) log.write("info", `line ${at}`);
    await log.flush();
    expect(calls).toBe(3);
  });
});

describe("words of commands", () => {
  it.each([
    ["Building\n■  Connection error.\n│\n└  Deployment failed", "Connection error."],
    [
      "npm error code ETARGET\nnpm error notarget No matching version\nnpm error A complete log of this run can be found in: /x",
      "npm error notarget No matching version",
    ],
    [
      "npm error path /x\nnpm error errno EACCES\nnpm error\nnpm error You can rerun the command with `--loglevel=verbose`",
      "npm error errno EACCES",
    ],
    ["\u001b[31mred\u001b[0m\n\n", "red"],
    ["", null],
  ])("finds the reason in %j", (text, expected) => {
    expect(lastWords(text)).toBe(expected);
  });

  it("keeps indented lines", () => {
    expect(plainLines("  at x\n│\n")).toEqual(["  at x"]);
  });

  it("tells a full disk and the network from the user's errors", () => {
    expect(saysNoSpace("tar: write error: No space left on device")).toBe(true);
    expect(saysNoSpace("npm error code ENOSPC")).toBe(true);
    expect(saysNetwork("npm error code EAI_AGAIN")).toBe(true);
    expect(saysNetwork("Type error in a.ts")).toBe(false);
    expect(toBuildError(Object.assign(new Error("write"), { code: "ENOSPC" }))).toMatchObject({
      kind: "no_space",
      message: "Builder has no disk space",
    });
    expect(toBuildError(new Error("odd"))).toMatchObject({ kind: "machine" });
  });

  it("hands package managers what they need of the machine and nothing else", () => {
    const env = {
      HTTPS_PROXY: "p",
      npm_config_registry: "r",
      NODE_EXTRA_CA_CERTS: "c",
      DATABASE_URL: "d",
      NPM_TOKEN: "t",
      AWS_SECRET_ACCESS_KEY: "k",
    };
    expect(passedThrough(env)).toEqual({ HTTPS_PROXY: "p", npm_config_registry: "r", NODE_EXTRA_CA_CERTS: "c" });
  });
});
