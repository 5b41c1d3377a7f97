/** Unit tests 1 to 15 and 20 to 21 of the deployments specification. */
import { describe, expect, test } from "vitest";
import { isTerminal, PHASES, STATUS_OF_PHASE, STEPS, type Phase } from "./phases";
import { decideAutoPromotion, decidePromotion, type PromotionInput, REFUSALS } from "./promotion/decidePromotion";
import { judgeReadiness, readinessTimeoutText, requiredRegions } from "./readiness";
import { replicaViolations, sortRegions } from "./replicas";
import { combineErrors, fullText, summarize } from "./stepError";
import { type StepRecord, stepRows } from "./rows/stepRows";
import { compareVersions, newShortCode, nextVersion } from "./versions";

const noon = Date.UTC(2026, 10, 21, 12);

describe("versions", () => {
  test("1: the first version of a day is .1", () => expect(nextVersion(null, noon)).toBe("20261121.1"));
  test("2: the same day counts up", () => expect(nextVersion("20261121.4", noon)).toBe("20261121.5"));
  test("3: a new day starts at .1", () => expect(nextVersion("20261120.7", noon)).toBe("20261121.1"));
  test("4: .9 is followed by .10, which is newer", () => {
    expect(nextVersion("20261121.9", noon)).toBe("20261121.10");
    expect(compareVersions("20261121.9", "20261121.10")).toBeLessThan(0);
  });
  test("5: a date in the future is kept", () => expect(nextVersion("20270101.3", noon)).toBe("20270101.4"));
  test("6: dates decide before numbers", () => expect(compareVersions("20261120.99", "20261121.1")).toBeLessThan(0));
  test("7: a short code has eight characters of its alphabet", () => {
    for (let i = 0; i < 200; i++) expect(newShortCode()).toMatch(/^[0-9a-z]{8}$/);
  });
});

describe("readiness", () => {
  test("9: regions required for each rule and number", () => {
    const table = [1, 2, 3, 5].map((n) => [n, requiredRegions("min2", n), requiredRegions("all-but-one", n), requiredRegions("all", n)]);
    expect(table).toEqual([
      [1, 1, 1, 1],
      [2, 2, 1, 2],
      [3, 2, 2, 3],
      [5, 2, 4, 5],
    ]);
    for (const rule of ["min2", "all-but-one", "all"] as const)
      expect(() => requiredRegions(rule, 0)).toThrow("Deployment has no target regions.");
  });
  const region = (name: string, running: number, lost = false) => ({
    region: name,
    running,
    required: 1,
    lost,
    message: lost ? "exit 1" : null,
  });
  test("lost regions end the wait early, with their reasons", () => {
    expect(judgeReadiness("min2", [region("a", 1), region("b", 0), region("c", 0, true)])).toEqual({
      kind: "waiting",
      healthy: 1,
      required: 2,
    });
    const hopeless = judgeReadiness("all", [region("a", 1), region("b", 0, true)]);
    expect(hopeless).toMatchObject({ kind: "hopeless", text: expect.stringContaining("b: exit 1") as string });
  });
  test("71: the timeout names every region that is missing", () => {
    expect(readinessTimeoutText("all", [region("a", 1), region("b", 0), region("c", 0, true)], 15)).toBe(
      "Only 1 of 3 regions became healthy within 15 min, 3 required. b: no instance has reported; c: exit 1"
    );
  });
});

describe("replicas", () => {
  test.each([[0], [-1], [1.5], [Number.NaN], ["2"], [21], [undefined]])("10: %s is refused, naming region and value", (value) => {
    expect(replicaViolations([{ region: "eu", replicas: value }])).toEqual([
      expect.stringMatching(/^Region "eu": replicas must be a whole number between 1 and 20/) as string,
    ]);
  });
  test.each([[1], [20]])("10: %s is accepted", (value) => expect(replicaViolations([{ region: "eu", replicas: value }])).toEqual([]));
  test("10: all violations are reported together", () => {
    const rows = [
      { region: "a", replicas: 0 },
      { region: "b", replicas: 2 },
      { region: "c", replicas: "2" },
    ];
    expect(replicaViolations(rows)).toEqual([
      'Region "a": replicas must be a whole number between 1 and 20 (got 0).',
      'Region "c": replicas must be a whole number between 1 and 20 (got "2").',
    ]);
  });
  test("11: regions are sorted by bytes, whatever the order they came in", () => {
    const names = (rows: string[]) => sortRegions(rows.map((name) => ({ region: name }))).map((row) => row.region);
    expect(names(["us", "eu", "ap-1", "ap"])).toEqual(["ap", "ap-1", "eu", "us"]);
    expect(names(["ap", "us", "ap-1", "eu"])).toEqual(names(["us", "eu", "ap-1", "ap"]));
  });
});

describe("step rows", () => {
  const at = (second: number) => new Date(noon + second * 1000);
  const done = (step: StepRecord["step"], second: number): StepRecord => ({
    step,
    startedAt: at(second),
    endedAt: at(second + 1),
    error: null,
    errorSummary: null,
  });
  const states = (records: StepRecord[], phase: (typeof PHASES)[number]) => stepRows(records, phase, at(100)).map((row) => row.state);

  /** Six conditions of the row `building`, and its state in a phase on the way, in ready and stopped, in failed, and in the other ends. */
  const conditions: [string, StepRecord[], [string, string, string, string]][] = [
    ["no row, a later one has", [done("deploying", 3)], ["completed", "completed", "completed", "completed"]],
    ["no row, none later", [done("starting", 1)], ["pending", "completed", "skipped", "skipped"]],
    ["no rows at all", [], ["pending", "completed", "skipped", "skipped"]],
    ["an error", [{ ...done("building", 2), error: "Error: no", errorSummary: "no" }], ["error", "error", "error", "error"]],
    ["an end", [done("building", 2)], ["completed", "completed", "completed", "completed"]],
    ["open", [{ ...done("building", 2), endedAt: null }], ["active", "completed", "error", "skipped"]],
  ];
  const column = (phase: Phase) => (phase === "ready" || phase === "stopped" ? 1 : phase === "failed" ? 2 : isTerminal(phase) ? 3 : 0);
  test.each(PHASES)("12: the six conditions of a row in phase %s", (phase) => {
    const seen = conditions.map(([name, records]) => [name, states(records, phase)[STEPS.indexOf("building")]]);
    expect(seen).toEqual(conditions.map(([name, , expected]) => [name, expected[column(phase)]]));
  });
  test("12: a running deployment: done, active, pending", () => {
    const open: StepRecord = { ...done("building", 2), endedAt: null };
    expect(states([done("queued", 0), done("starting", 1), open], "building")).toEqual([
      "completed",
      "completed",
      "active",
      "pending",
      "pending",
      "pending",
    ]);
    expect(stepRows([open], "building", at(10))[2]?.durationMs).toBe(8_000);
  });
  test("12: a step without a row before one with a row was passed", () => {
    expect(states([done("building", 2)], "deploying")).toEqual(["completed", "completed", "completed", "pending", "pending", "pending"]);
  });
  test.each(["failed", "cancelled", "superseded", "skipped"] as const)(
    "12: rows that never ran in a %s deployment are skipped",
    (phase) => {
      const failed: StepRecord = { ...done("building", 2), error: "Error: no", errorSummary: "no" };
      expect(states([done("queued", 0), done("starting", 1), failed], phase)).toEqual([
        "completed",
        "completed",
        "error",
        "skipped",
        "skipped",
        "skipped",
      ]);
    }
  );
  test("12: a ready deployment shows six completed rows", () => {
    expect(
      states(
        STEPS.map((step, i) => done(step, i)),
        "ready"
      )
    ).toEqual(Array.from({ length: 6 }, () => "completed"));
  });
  test("every phase has a status", () => {
    for (const phase of PHASES) expect(STATUS_OF_PHASE[phase]).toBeDefined();
  });
});

describe("errors of steps", () => {
  test("14: a summary is cut at 512 without splitting a character; the full text stays", () => {
    const text = `${"x".repeat(511)}😀tail`;
    expect(summarize(text)).toBe("x".repeat(511));
    expect(summarize("short")).toBe("short");
    expect(fullText(new Error(text))).toContain("tail");
  });
  test("15: a combined error keeps order and headline", () => {
    const combined = combineErrors(new Error("build failed"), new Error("database gone"));
    expect(combined.message).toBe("build failed");
    expect(fullText(combined)).toMatch(/build failed[\s\S]*build failed[\s\S]*database gone/);
  });
});

describe("20: the decision table", () => {
  const older = "20261120.1";
  const newer = "20261122.1";
  const base: PromotionInput = {
    direction: "promote",
    allowRollbacks: false,
    isRolledBack: false,
    current: { id: "current", version: "20261121.1" },
    target: { id: "target", version: newer, status: "DEPLOYED", hasWorker: true, stopped: false, hasRelease: true },
  };
  const decide = (change: Partial<PromotionInput>, target: Partial<PromotionInput["target"]> = {}) =>
    decidePromotion({ ...base, ...change, target: { ...base.target, ...target } });
  const swap = (rolledBack = false, wake = false) => ({ kind: "swap", rolledBack, wake });
  const refusal = (text: string) => ({ kind: "refuse", text });
  const same = { id: "current", version: "20261121.1" };

  test("row 2", () => expect(decide({}, { hasWorker: false })).toEqual(refusal(REFUSALS.noWorker.promote)));
  test("row 3", () => expect(decide({ direction: "rollback" }, { hasWorker: false })).toEqual(refusal(REFUSALS.noWorker.rollback)));
  test("row 4", () =>
    expect(decide({}, { status: "FAILED" })).toEqual(refusal("Deployment must be in the DEPLOYED state to be promoted.")));
  test("row 5", () => expect(decide({ direction: "rollback" }, { status: "BUILDING" })).toEqual(refusal(REFUSALS.notDeployed.rollback)));
  test("row 6", () => expect(decide({ current: null })).toEqual(swap()));
  test("row 7", () => expect(decide({ current: null, direction: "rollback" })).toEqual(swap(false)));
  test("row 8", () => expect(decide({}, same)).toEqual(refusal("Deployment is already the current deployment.")));
  test("row 9", () => expect(decide({ isRolledBack: true }, same)).toEqual({ kind: "confirm" }));
  test("row 10", () => {
    for (const isRolledBack of [true, false])
      expect(decide({ direction: "rollback", isRolledBack }, same)).toEqual(refusal(REFUSALS.alreadyCurrent));
  });
  test("row 11", () => expect(decide({ isRolledBack: true })).toEqual(swap(false)));
  test("row 12", () =>
    expect(decide({}, { version: older })).toEqual(refusal("Cannot promote a deployment that is older than the current deployment.")));
  test("row 13", () => expect(decide({ allowRollbacks: true, isRolledBack: true }, { version: older })).toEqual(swap(false)));
  test("row 14", () => expect(decide({ allowRollbacks: true })).toEqual(swap()));
  test("row 15", () => expect(decide({ direction: "rollback" }, { version: older })).toEqual(swap(true)));
  test("row 16", () => {
    for (const allowRollbacks of [true, false]) expect(decide({ direction: "rollback", allowRollbacks })).toEqual(refusal(REFUSALS.newer));
  });
  test("row 17", () => expect(decide({}, { version: "20261121.1" })).toEqual(refusal(REFUSALS.older)));
  test("row 18", () => expect(decide({}, { stopped: true })).toEqual(swap(false, true)));
  test("row 19", () => expect(decide({}, { hasRelease: false })).toEqual(refusal(REFUSALS.releaseGone)));
});

describe("21: automatic promotion", () => {
  const base = { autoPromote: true, skipPromotion: false, isRolledBack: false, version: "20261121.2", currentVersion: "20261121.1" };
  const bits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15].map((n) => [1, 2, 4, 8].map((bit) => (n & bit) !== 0));
  test.each(bits)(
    "autoPromote %s, skipPromotion %s, rolled back %s, current older %s",
    (autoPromote, skipPromotion, isRolledBack, older) => {
      const currentVersion = older ? "20261121.1" : "20261121.3";
      const { promote } = decideAutoPromotion({ ...base, autoPromote, skipPromotion, isRolledBack, currentVersion });
      expect(promote).toBe(autoPromote && !skipPromotion && !isRolledBack && older);
    }
  );
  test("the first version is always promoted", () =>
    expect(decideAutoPromotion({ ...base, currentVersion: null })).toEqual({ promote: true }));
  test("20, 21: rows 22 and 23 say why not", () => {
    expect(decideAutoPromotion({ ...base, currentVersion: "20261121.9" })).toEqual({
      promote: false,
      message: "Deployed but not promoted: version 20261121.9 is newer.",
    });
    expect(decideAutoPromotion({ ...base, isRolledBack: true })).toEqual({
      promote: false,
      message: "Deployed but not promoted: the environment is rolled back to 20261121.1. Promote it to resume automatic promotion.",
    });
  });
});
