/** The parts of the benchmark of deployments that only calculate, and those that read the disk. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { timedRun, type Run, type TimedRun } from "./api";
import { phaseDelays, phasesOf } from "./progress";
import { phaseRows } from "./session";
import { agentProcesses, replicas } from "./replicas";
import { drainMs, rowsOf, toUserCode, type Measured } from "./table";

describe("a run's times", () => {
  const run: Run = {
    id: "run_1",
    status: "COMPLETED",
    isCompleted: true,
    version: "20260101.1",
    finishedAt: new Date(1_500),
    output: { at: 1_020, pid: 7 },
    error: null,
  };

  it("come from its output", () => {
    expect(timedRun(run, 1_000)).toEqual({
      id: "run_1",
      version: "20260101.1",
      pid: 7,
      sentAt: 1_000,
      userCodeAt: 1_020,
      finishedAt: 1_500,
    });
  });

  it("are refused for a run that failed or that answered something else", () => {
    expect(() => timedRun({ ...run, status: "FAILED", error: { message: "no" } }, 0)).toThrow('run_1 ended FAILED: {"message":"no"}');
    expect(() => timedRun({ ...run, output: {} }, 0)).toThrow();
  });
});

describe("the progress page", () => {
  const watched = {
    openedAt: 100,
    committed: new Map([
      ["queued", 50],
      ["building", 150],
      ["deploying", 402],
      ["ready", 800],
    ]),
    messages: [160, 400, 900],
    shown: new Map([
      ["queued", 170],
      ["building", 175],
      ["deploying", 420],
      ["ready", 930],
    ]),
  };

  it("counts from each commit while it was open, whoever heard of it first", () => {
    expect(phaseDelays(watched)).toEqual([
      { phase: "building", messageMs: 10, shownMs: 25 },
      { phase: "deploying", messageMs: 0, shownMs: 18 },
      { phase: "ready", messageMs: 100, shownMs: 130 },
    ]);
  });

  it("takes a reading that was under way for the event, and fails when a phase was never shown", () => {
    expect(phaseDelays({ ...watched, messages: [160, 400] }).at(-1)).toEqual({ phase: "ready", messageMs: 130, shownMs: 130 });
    expect(() => phaseDelays({ ...watched, shown: new Map() })).toThrow("never showed building");
  });

  it("shows phases that have begun, and the end", () => {
    const html = (finalizing: string) =>
      `<li class="row" data-step="building" data-state="completed"><ol><li>a line</li></ol></li><li data-state="${finalizing}" data-step="finalizing"></li>`;
    expect([...phaseRows(html("pending"))]).toEqual([
      ["building", "completed"],
      ["finalizing", "pending"],
    ]);
    expect(phasesOf(phaseRows(html("pending")))).toEqual(["building"]);
    expect(phasesOf(phaseRows(html("completed")))).toEqual(["building", "finalizing", "ready"]);
  });
});

describe("the agent's processes", () => {
  const dataDir = mkdtempSync(path.join(os.tmpdir(), "sluice-bench-test-"));
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

  it("are those of its pid file and of its replicas' records; a replica without a record is not there yet", () => {
    const installation = { dataDir, port: 1, origin: new URL("http://127.0.0.1:1"), env: {} };
    mkdirSync(path.join(dataDir, "agent/replicas/one"), { recursive: true });
    mkdirSync(path.join(dataDir, "agent/replicas/starting"));
    writeFileSync(path.join(dataDir, "agent/agent.pid"), JSON.stringify({ pid: process.pid }));
    const record = { name: "one", pid: process.ppid, version: { version: "20260101.1" } };
    writeFileSync(path.join(dataDir, "agent/replicas/one/record.json"), JSON.stringify(record));
    expect(replicas(installation)).toEqual([{ name: "one", pid: process.ppid, version: "20260101.1" }]);
    const found = agentProcesses(installation);
    expect(found).toEqual(expect.arrayContaining([process.pid, process.ppid]));
    expect(new Set(found).size).toBe(found.length);
  });
});

describe("the rows", () => {
  const runs = (...toCode: number[]): TimedRun[] =>
    toCode.map((ms, n) => ({
      id: `run_${n}`,
      version: "20260101.1",
      pid: n,
      sentAt: n * 50,
      userCodeAt: n * 50 + ms,
      finishedAt: n * 50 + ms + 10,
    }));
  const deployed = { id: "d", version: "20260101.1", ownMs: 4_000, buildingMs: 3_000, deployingMs: 900, commandMs: 12_000 };
  const measured: Measured = {
    ...{
      first: deployed,
      again: [deployed],
      agentBytes: 300 * 1024 * 1024,
      firstRuns: runs(700),
      warmRuns: runs(10, 20, 30),
      coldRuns: runs(1_600),
    },
    ...{ sustained: runs(10, 400), promotions: [2, 120, 3], list: [40], delays: [{ phase: "ready", messageMs: 100, shownMs: 130 }] },
  };

  it("take user code from the task's clock, and the end from the last run", () => {
    expect(toUserCode(runs(10, 20))).toEqual([10, 20]);
    expect(drainMs(runs(10, 400))).toBe(410);
    expect(drainMs(runs(400, 10))).toBe(360);
  });

  it("say the issue's numbers beside what was measured", () => {
    const rows = rowsOf(measured);
    const of = (name: string) => rows.find((row) => row.name.startsWith(name));
    expect(of("deploy, first: command")).toMatchObject({ values: [12], unit: "s", goal: { kind: "at-most", value: 25 } });
    expect(of("deploy, first: Sluice")).toMatchObject({ values: [4], goal: { value: 10 } });
    expect(of("redeploy, lock file")).toMatchObject({ values: [4], goal: { value: 5 } });
    expect(of("warm replica: trigger to user code, p50")).toMatchObject({ values: [20], goal: { value: 60 } });
    expect(of("first run")).toMatchObject({ values: [0.7], goal: { value: 0.8 } });
    expect(of("cold")).toMatchObject({ values: [1.6], goal: { value: 1.5 } });
    expect(of("promotion seen by another process: largest")).toMatchObject({ values: [120], goal: { value: 100 } });
    expect(of("agent with 4")).toMatchObject({ values: [300], goal: { value: 500 } });
    expect(of("list of 1,000")).toMatchObject({ values: [40], goal: { value: 100 } });
  });
});
