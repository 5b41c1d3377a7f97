import { describe, expect, it } from "vitest";
import { eventually, Fixture } from "../testing/fixture";
import { projectPaths, withProjectPaths } from "./stackTraces";

const DIR = "/var/lib/sluice/agent-1/releases/sha256-ab";

describe("stack traces of a release", () => {
  it.each([
    [`at run (file:///src/trigger/hello.ts:12:5)`, "at run (src/trigger/hello.ts:12:5)"],
    [`at run (file:///var/lib/sluice/src/trigger/hello.ts:12:5)`, "at run (src/trigger/hello.ts:12:5)"],
    [`at async file://${DIR}/node_modules/left-pad/index.mjs:1:1`, "at async node_modules/left-pad/index.mjs:1:1"],
    [`at Module._load (${DIR}/node_modules/old/index.js:1:1)`, "at Module._load (node_modules/old/index.js:1:1)"],
    [`at node:internal/process/task_queues:95:5`, "at node:internal/process/task_queues:95:5"],
  ])("%s", (frame, shown) => {
    expect(projectPaths(`Error: no\n    ${frame}`, DIR)).toBe(`Error: no\n    ${shown}`);
  });

  it("are rewritten in errors and their causes, and nothing else of a completion is", () => {
    const stackTrace = `at a (file://${DIR}/src/a.mjs:1:1)`;
    const error = { type: "BUILT_IN_ERROR", message: DIR, stackTrace, causes: [{ message: DIR, stackTrace }, { message: "none" }] };
    const shown = JSON.parse(withProjectPaths(JSON.stringify({ completion: { ok: false, error, metadata: DIR } }), DIR)) as unknown;
    const rewritten = { stackTrace: "at a (src/a.mjs:1:1)" };
    expect(shown).toEqual({
      completion: {
        ok: false,
        error: { ...error, ...rewritten, causes: [{ ...error.causes[0], ...rewritten }, error.causes[1]] },
        metadata: DIR,
      },
    });
    const output = JSON.stringify({ completion: { ok: true, output: `{"stackTrace":"file://${DIR}/x"}` } });
    expect(withProjectPaths(output, DIR)).toBe(output);
  });

  it("reach the server without the agent's folders", async () => {
    const fixture = await Fixture.create();
    try {
      fixture.server.desire({ id: "d1", releaseDigest: fixture.release() });
      await fixture.agent();
      await fixture.running("d1", 1);
      const run = fixture.server.trigger({ deploymentId: "d1", payload: { throwAt: "src/trigger/hello.ts:12:5" } });
      await eventually("the completion", () => run.completions.length === 1);
      expect(run.completions[0]?.error?.stackTrace).toBe("Error: no\n    at run (src/trigger/hello.ts:12:5)");
    } finally {
      await fixture.close();
    }
  });
});
