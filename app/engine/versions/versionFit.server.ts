/** Whether a version can run a run where it is handed out: asked when it is handed over and when waiting runs are looked at again. */
import type { EnvironmentView, WorkerVersion } from "../../environments/types";
import type { DeployedVersion, DeployedVersions } from "./deployedVersions";

/** `fits`: `deployed` is null in dev. `misses`: `elsewhere` names regions that have the version. */
export type Fit =
  | { kind: "fits"; version: WorkerVersion; deployed: DeployedVersion | null }
  | { kind: "misses"; reason: string; elsewhere: readonly string[] };

export type FitQuestion = {
  env: Pick<EnvironmentView, "type">;
  /** Null: the run is locked to none, and none is current. */
  version: WorkerVersion | null;
  run: { task: string; queue: string; region: string };
};

const NO_VERSION = "No version is current here yet.";

export class VersionFit {
  constructor(private readonly deployed: DeployedVersions) {}

  /** `reason` is shown on the run page. */
  async call({ env, version, run }: FitQuestion): Promise<Fit> {
    const missing = missingPart(version, run);
    if (!version || missing) return misses(missing ?? NO_VERSION);
    if (env.type === "DEVELOPMENT") return { kind: "fits", version, deployed: null };
    const deployed = await this.deployed.byWorker(version.id);
    if (!deployed) return misses(`Version ${version.version} is not deployed.`);
    if (deployed.regions.has(run.region)) return { kind: "fits", version, deployed };
    return misses(`Version ${version.version} is not in region "${run.region}".`, [...deployed.regions].sort());
  }
}

function misses(reason: string, elsewhere: readonly string[] = []): Fit {
  return { kind: "misses", reason, elsewhere };
}

function missingPart(version: WorkerVersion | null, run: { task: string; queue: string }): string | null {
  if (!version) return NO_VERSION;
  if (!version.tasks.has(run.task)) return `Version ${version.version} has no task "${run.task}".`;
  if (!version.queues.has(run.queue)) return `Version ${version.version} has no queue "${run.queue}".`;
  return null;
}
