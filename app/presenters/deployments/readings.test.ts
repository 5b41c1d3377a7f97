import { describe, expect, it } from "vitest";
import { ansiSpans, plainText } from "../../utils/ansi";
import { commitOf, originOf, viaFilter } from "./commit";
import { explainFailure, sourcePlace, type FailureFacts } from "./failure";
import { deploymentsSearch, parseDeploymentsQuery } from "./list/filters";
import { regionsText } from "./list/listRow.server";
import { moveWords, periodsOf, type PointerMove } from "./list/periods";

describe("terminal colours", () => {
  it("become families of the palette, and end where they end", () => {
    expect(ansiSpans("\u001b[31mbad\u001b[0m \u001b[1;32mgood\u001b[22;39m end")).toEqual([
      { text: "bad", family: "bad", bold: false },
      { text: " ", family: null, bold: false },
      { text: "good", family: "ok", bold: true },
      { text: " end", family: null, bold: false },
    ]);
    expect(ansiSpans("\u001b[93mwarn\u001b[m")[0]?.family).toBe("hold");
    expect(ansiSpans("\u001b[38;5;196mx\u001b[48;2;1;2;3my")).toEqual([
      { text: "x", family: null, bold: false },
      { text: "y", family: null, bold: false },
    ]);
  });

  it("and every other control sequence never reach the page", () => {
    expect(plainText("\u001b[2K\u001b[1Gdone\u001b]0;title\u0007!\u0000\u0008\u001b[")).toBe("done!");
    expect(plainText("10 %\r50 %\r100 %\r")).toBe("100 %");
    expect(plainText("\ttab stays")).toBe("\ttab stays");
  });
});

describe("a failure", () => {
  const facts = (change: Partial<FailureFacts>): FailureFacts => ({
    ...{ step: "building", code: "build_failed", error: null, summary: null, full: null, envSlug: "prod", lastErrorLine: null },
    ...change,
  });
  const words = (value: readonly (string | { code: string })[]) =>
    value.map((word) => (typeof word === "string" ? word : word.code)).join("");

  it("names the first line of the user's own sources", () => {
    expect(sourcePlace("at x (node_modules/a/index.js:1:2)\n at y (node:internal/main.js:3:4)\n at z (./src/a.ts:7:9)")).toBe(
      "src/a.ts:7:9"
    );
    expect(sourcePlace("nothing here")).toBeNull();
    expect(sourcePlace("x".repeat(16_000))).toBeNull();
  });

  it("prefers the task file that was being loaded, by its path in the project", () => {
    const text = [
      "There was an error importing task files: src/trigger/changing.ts: ALERTS_URL is not set",
      "    at requireEnv (file:///var/lib/agent-1/builds/src/env.ts:3:21)",
      "    at file:///var/lib/agent-1/builds/src/trigger/changing.ts:2:13",
    ];
    expect(sourcePlace(text.join("\n"))).toBe("src/trigger/changing.ts:2:13");
    expect(sourcePlace(text[1] ?? "")).toBe("src/env.ts:3:21");
    expect(sourcePlace("at f (file:///data/builds/work/c1k8.1/src/env.ts:3:21)")).toBe("src/env.ts:3:21");
  });

  it("says of a file that never finishes loading that it waits", () => {
    const view = explainFailure(facts({ code: "reported", error: { name: "Error", message: "Worker timed out" }, full: "index failed" }));
    expect(words(view.why)).toContain("still loading");
  });

  it("has where, why and next for every code, and for none", () => {
    for (const code of [
      "timed_out",
      "invalid_configuration",
      "build_failed",
      "builder_lost",
      "no_worker",
      "regions_unhealthy",
      "internal",
      null,
    ]) {
      for (const step of ["queued", "building", "deploying", null] as const) {
        const view = explainFailure(facts({ code, step }));
        expect([words(view.where), words(view.why), words(view.next), view.title].every((text) => text.trim() !== "")).toBe(true);
      }
    }
  });

  it("keeps the whole text once, causes and stderr with it", () => {
    const error = { name: "Error", message: "a", stderr: "on stderr", causes: [{ name: "Error", message: "the write failed too" }] };
    const { full } = explainFailure(facts({ error, full: "Error: a\ncaused by\nError: b" }));
    expect(full).toBe("Error: a\ncaused by\nError: b\n\nstderr:\non stderr\n\ncaused by Error: the write failed too");
    expect(explainFailure(facts({ full: "same", error: { name: "E", message: "same", stack: "same" } })).full).toBe("same");
  });

  it("recognises a full disk, and a variable that is not set", () => {
    expect(words(explainFailure(facts({ full: "ENOSPC: no space left on device" })).why)).toContain("no disk space");
    const view = explainFailure(facts({ error: { name: "Error", message: "STRIPE_KEY is not set" }, envSlug: "staging" }));
    expect(words(view.next)).toBe("Add STRIPE_KEY to staging, or read it inside run(). Then deploy again.");
    expect(view.missing).toEqual({ name: "STRIPE_KEY", envSlug: "staging" });
  });
});

describe("regions of a version", () => {
  const region = (running: number, wanted: number) => ({ region: "local", running, wanted });
  it("count no more replicas than are wanted, and say when the last ones end", () => {
    expect(regionsText([region(3, 1), { ...region(0, 2), region: "us" }], "ready")).toBe("local 1/1, us 0/2");
    expect(regionsText([region(2, 0)], "stopped")).toBe("local 2 stopping");
    expect(regionsText([region(0, 0)], "stopped")).toBe("none running");
  });
});

describe("periods of being current", () => {
  const move = (generation: number, kind: string, fromId: string | null, toId: string): PointerMove => ({
    ...{ generation, kind, fromId, toId, by: "x" },
    at: new Date(generation * 1_000),
  });

  it("begin with a move to it and end with a move away, whatever came between", () => {
    const moves = [
      move(1, "auto_promote", null, "a"),
      move(2, "promote", "a", "b"),
      move(3, "rollback", "b", "a"),
      move(4, "confirm_rollback", "a", "a"),
    ];
    expect(periodsOf([...moves].reverse(), "a")).toEqual([
      { from: 1_000, to: 2_000, rolledBack: false },
      { from: 3_000, to: null, rolledBack: false },
    ]);
    expect(periodsOf(moves, "b")).toEqual([{ from: 2_000, to: 3_000, rolledBack: true }]);
    expect(periodsOf(moves, "c")).toEqual([]);
  });

  it("are told in words", () => {
    expect(moveWords({ kind: "rollback", fromVersion: "2", toVersion: "1" })).toEqual([
      "Rolled back from ",
      { code: "2" },
      " to ",
      { code: "1" },
    ]);
    expect(moveWords({ kind: "auto_promote", fromVersion: null, toVersion: null })).toEqual([
      "Promoted automatically: ",
      { code: "a deleted version" },
    ]);
  });
});

describe("where the code came from", () => {
  it("is what the client said, cut to a line", () => {
    const git = { commitMessage: "First line\n\nbody", commitRef: "main", commitSha: "7be20d4c0ffee", dirty: true };
    expect(commitOf({ git, commitSha: null, triggeredVia: "cli:github_actions" })).toEqual({
      ...{ message: "First line", sha: "7be20d4", branch: "main", from: "from GitHub Actions" },
    });
    expect(commitOf({ git: { commitRef: 7 }, commitSha: "abcdefghij", triggeredVia: null })).toEqual({
      ...{ message: null, sha: "abcdefg", branch: null, from: "from API" },
    });
  });

  it("is one of a few groups, and a filter for one shows no other", () => {
    expect(["cli:manual", "cli:github_actions", "cli:ci_other", "git_integration:github", "redeploy", "x", null].map(originOf)).toEqual([
      ...["cli", "github-actions", "ci", "git", "redeploy", "api", "api"],
    ]);
    expect(viaFilter(["ci"])).toEqual({ via: ["cli:"], notVia: ["cli:manual", "cli:github_actions"], none: false });
    expect(viaFilter(["ci", "cli"])?.notVia).toEqual(["cli:github_actions"]);
    expect(viaFilter([])).toBeNull();
  });
});

describe("the list's address", () => {
  it("survives a round trip", () => {
    const search = "status=failed&status=ready&branch=main&from=cli&version=20261121.3";
    expect(deploymentsSearch(parseDeploymentsQuery(new URLSearchParams(search)))).toBe(search);
  });

  it("refuses what is not text or too long", () => {
    expect(() => parseDeploymentsQuery(new URLSearchParams({ branch: "x".repeat(201) }))).toThrow("longer than 200");
    expect(() => parseDeploymentsQuery(new URLSearchParams({ from: "mars" }))).toThrow("There is no from mars");
  });
});
