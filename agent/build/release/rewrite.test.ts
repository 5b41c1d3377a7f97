import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { canonicalManifests, rewriteForBuild } from "./rewrite";

const BUILD = {
  outputPath: "/app/",
  configPath: "/app/trigger.config.mjs",
  runControllerEntryPoint: "/app/node_modules/trigger.dev/run-controller.mjs",
  runWorkerEntryPoint: "/app/node_modules/trigger.dev/run-worker.mjs",
  indexControllerEntryPoint: "/app/node_modules/trigger.dev/index-controller.mjs",
  indexWorkerEntryPoint: "/app/node_modules/trigger.dev/index-worker.mjs",
  loaderEntryPoint: "/app/loader.mjs",
  initEntryPoint: "/app/init.mjs",
  files: [
    { entry: "/app/src/a.ts", out: "/app/src/a.mjs" },
    { entry: "src/b.ts", out: "/elsewhere/b.mjs" },
  ],
  runtime: "node-24",
  contentHash: "/app/",
  sources: { "src/a.ts": { contents: "/app/src/a.ts", contentHash: "/app/" } },
  config: { dirs: ["/app/src"] },
};

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), "sluice-rewrite-"));
  writeFileSync(path.join(dir, "build.json"), JSON.stringify(BUILD));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const build = () => JSON.parse(readFileSync(path.join(dir, "build.json"), "utf8")) as typeof BUILD;

describe("17: paths of a release", () => {
  it("changes the nine fields with paths and nothing else, whatever sources contain", async () => {
    await rewriteForBuild(dir);
    const fields = ["outputPath", "configPath", "runControllerEntryPoint", "runWorkerEntryPoint", "indexControllerEntryPoint"] as const;
    const more = ["indexWorkerEntryPoint", "loaderEntryPoint", "initEntryPoint"] as const;
    const moved = build();
    for (const field of [...fields, ...more]) expect(moved[field]).toBe(BUILD[field].replace("/app/", `${dir}/`));
    expect(moved.files).toEqual([{ entry: "/app/src/a.ts", out: `${dir}/src/a.mjs` }, BUILD.files[1]]);
    const { files, ...rest } = moved;
    expect(files).toHaveLength(2);
    for (const field of ["runtime", "contentHash", "sources", "config"] as const) expect(rest[field]).toEqual(BUILD[field]);
  });

  it("leaves optional fields out that were not there", async () => {
    const { loaderEntryPoint, initEntryPoint, ...without } = BUILD;
    expect([loaderEntryPoint, initEntryPoint]).toHaveLength(2);
    writeFileSync(path.join(dir, "build.json"), JSON.stringify(without));
    await rewriteForBuild(dir);
    expect(build()).not.toHaveProperty("loaderEntryPoint");
  });

  it("gives the original back for packing, wherever it was built", async () => {
    await rewriteForBuild(dir);
    const entry = `${dir}/node_modules/trigger.dev/run-controller.mjs`;
    const index = { controllerEntryPoint: entry, tasks: [{ id: "a", entryPoint: `${dir}/src/a.mjs`, description: `${dir}/x` }] };
    writeFileSync(path.join(dir, "index.json"), JSON.stringify(index));
    const packed = await canonicalManifests(dir);
    expect(JSON.parse(String(packed.get("build.json")))).toEqual(BUILD);
    expect(JSON.parse(String(packed.get("index.json")))).toMatchObject({
      controllerEntryPoint: BUILD.runControllerEntryPoint,
      tasks: [{ entryPoint: "/app/src/a.mjs", description: `${dir}/x` }],
    });
    expect(build().outputPath).toBe(`${dir}/`);
  });

  it.each([["{}"], ["[]"], ["no json"], ['{"runtime":"node"}']])("refuses %s", async (content) => {
    writeFileSync(path.join(dir, "build.json"), content);
    await expect(rewriteForBuild(dir)).rejects.toThrow("no build.json as the CLI writes it");
  });
});
