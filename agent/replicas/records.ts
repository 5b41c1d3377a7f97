/** What is needed to recognise a replica after a crash of the agent: one folder each, with its record, its state and its output. */
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, readdirSync, readSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { overwriteJson, readJson, writeJson } from "../files";
import { desiredDeploymentSchema } from "../protocol";
import type { Replica } from "./replica";

/** Output beyond this is cut to nothing: it is for diagnosis, task logs go another way; bytes. */
const MAX_LOG_BYTES = 4 * 1024 * 1024;
const TAIL_BYTES = 3_000;

const processSchema = z.object({
  name: z.string().regex(/^[a-z0-9-]{1,64}$/),
  secret: z.string(),
  version: desiredDeploymentSchema,
  machine: desiredDeploymentSchema.shape.machine,
  releaseKey: z.string(),
  releaseDir: z.string(),
  controllerEntryPoint: z.string(),
  pid: z.number().int().positive(),
  startTime: z.string(),
  restarts: z.number().int(),
  startedAt: z.number(),
});
/** What changes during a replica's life. */
const stateSchema = z.object({
  resident: z.boolean(),
  run: z
    .object({
      runId: z.string(),
      snapshotId: z.string(),
      environmentId: z.string(),
      taken: z.boolean(),
      started: z.boolean(),
      completed: z.boolean(),
      since: z.number(),
    })
    .nullable(),
});
export type ReplicaRecord = z.output<typeof processSchema> & z.output<typeof stateSchema>;

export class ReplicaRecords {
  constructor(private readonly root: string) {
    mkdirSync(root, { recursive: true, mode: 0o700 });
  }

  /** Writes everything about a replica, once it has a process. The record is last: a folder without one is cleared. */
  save(replica: Replica, release: { dir: string; controllerEntryPoint: string }): void {
    this.saveState(replica);
    const record: z.output<typeof processSchema> = {
      name: replica.name,
      secret: replica.secret,
      version: replica.version,
      machine: replica.machine,
      releaseKey: replica.releaseKey,
      releaseDir: release.dir,
      controllerEntryPoint: release.controllerEntryPoint,
      pid: replica.pid,
      startTime: replica.startTime,
      restarts: replica.restarts,
      startedAt: replica.startedAt,
    };
    writeJson(this.fileOf(replica.name, "record.json"), record);
  }

  /** Before a run is handed over too, so that a crash in between leaves it known. */
  saveState({ name, resident, run }: Replica): void {
    const state: z.output<typeof stateSchema> = {
      resident,
      run: run && {
        runId: run.runId,
        snapshotId: run.snapshotId,
        environmentId: run.environmentId,
        taken: run.taken,
        started: run.started,
        completed: run.completed,
        since: run.since,
      },
    };
    overwriteJson(this.fileOf(name, "state.json"), state);
  }

  /** Records of an earlier agent; names of folders without a readable one. */
  load(): { records: ReplicaRecord[]; damaged: string[] } {
    const records: ReplicaRecord[] = [];
    const damaged: string[] = [];
    for (const name of readdirSync(this.root)) {
      const record = processSchema.safeParse(readJson(this.fileOf(name, "record.json")));
      const state = stateSchema.safeParse(readJson(this.fileOf(name, "state.json")));
      if (record.success && record.data.name === name && state.success) records.push({ ...record.data, ...state.data });
      else damaged.push(name);
    }
    return { records, damaged };
  }

  /** Opens the file that takes both streams of a replica. Files, not pipes: the process outlives the agent. */
  openLog(name: string): number {
    mkdirSync(path.join(this.root, name), { recursive: true, mode: 0o700 });
    return openSync(this.logOf(name), "a", 0o600);
  }

  /** The last lines of a replica's output. */
  tail(name: string): string {
    const file = this.logOf(name);
    if (!existsSync(file)) return "";
    const size = statSync(file).size;
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    const handle = openSync(file, "r");
    try {
      readSync(handle, buffer, 0, buffer.length, size - buffer.length);
    } finally {
      closeSync(handle);
    }
    return buffer.toString("utf8").trim();
  }

  /** Empties an output that has grown too large; the process goes on appending. */
  trim(name: string): void {
    const file = this.logOf(name);
    if (!existsSync(file) || statSync(file).size <= MAX_LOG_BYTES) return;
    const handle = openSync(file, "r+");
    try {
      ftruncateSync(handle, 0);
    } finally {
      closeSync(handle);
    }
  }

  remove(name: string): void {
    rmSync(path.join(this.root, name), { recursive: true, force: true });
  }

  private logOf(name: string): string {
    return this.fileOf(name, "output.log");
  }

  private fileOf(name: string, file: string): string {
    return path.join(this.root, name, file);
  }
}
