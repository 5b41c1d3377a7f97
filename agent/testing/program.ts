/** Releases for tests of the agent: a small program in the layout that the CLI and the builder produce. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

export type ProgramOptions = {
  /** `crash`: ends at once. `mute`: never asks for work. `deaf`: takes its first run and does nothing with it. */
  boot?: "crash" | "mute" | "deaf";
  /** Makes the bytes, and so the digest, different. */
  label?: string;
};

const ENTRY = "node_modules/trigger.dev/dist/esm/entryPoints/managed-run-controller.mjs";

/** Packs a release; the path of its archive, in a folder that the caller removes. */
export function packProgram(options: ProgramOptions = {}): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), "sluice-program-"));
  const dir = path.join(folder, "release");
  mkdirSync(path.join(dir, path.dirname(ENTRY)), { recursive: true });
  cpSync(path.join(import.meta.dirname, "controller.mjs"), path.join(dir, ENTRY));
  const entry = `/app/${ENTRY}`;
  const build = {
    outputPath: "/app/",
    configPath: "/app/trigger.config.mjs",
    runControllerEntryPoint: entry,
    runWorkerEntryPoint: entry,
    indexControllerEntryPoint: entry,
    indexWorkerEntryPoint: entry,
    files: [{ entry: "src/tasks.ts", out: "/app/src/tasks.mjs" }],
    sources: { "src/tasks.ts": { contents: "reads /app/data" } },
    label: options.label,
  };
  const index = {
    configPath: "/app/trigger.config.mjs",
    controllerEntryPoint: entry,
    workerEntryPoint: entry,
    tasks: [{ id: "hello", entryPoint: "/app/src/tasks.mjs" }],
  };
  writeFileSync(path.join(dir, "build.json"), JSON.stringify(build));
  writeFileSync(path.join(dir, "index.json"), JSON.stringify(index));
  writeFileSync(path.join(dir, "config.json"), JSON.stringify({ boot: options.boot }));
  const archive = path.join(folder, "release.tar.gz");
  execFileSync("tar", ["-czf", archive, "-C", dir, "."]);
  rmSync(dir, { recursive: true });
  return archive;
}
