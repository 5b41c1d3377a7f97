/** Which version and region a run is triggered for. */
import type { DeployedVersions } from "../../engine/versions/deployedVersions";
import type { EnvironmentDirectory, EnvironmentView, TaskConfig, WorkerVersion } from "../../environments/types";
import type { RunOptions } from "../../runops/runStore";
import { AppError } from "../../utils/appError";
import type { TriggerOptions } from "./triggerBody";

export type TriggerVersion = {
  /** The version that the run is locked to; null: whichever is current when it is handed out. */
  locked: WorkerVersion | null;
  /** The task on the version that will probably run it. */
  config: TaskConfig | undefined;
  /** External id of a deployment that does not exist yet; null: nothing to wait for. */
  waitsFor: string | null;
  /** Kept with the run. */
  options: Pick<RunOptions, "externalDeploymentId" | "region">;
};

type TriggerVersionsDeps = { directory: Pick<EnvironmentDirectory, "workerVersion" | "versionByName">; deployed: DeployedVersions };
type Asked = Pick<TriggerOptions, "lockToVersion" | "externalDeploymentId" | "region">;

export class TriggerVersions {
  constructor(private readonly deps: TriggerVersionsDeps) {}

  /** A version by name wins over an external id, which means nothing in dev. Throws 422 for a version or task that does not exist. */
  async resolve(env: EnvironmentView, task: string, asked: Asked): Promise<TriggerVersion> {
    const options = asked.region === undefined || env.type === "DEVELOPMENT" ? {} : { region: asked.region };
    if (asked.lockToVersion !== undefined) return locked(await this.byName(env, asked.lockToVersion), task, options);
    const externalId = env.type === "DEVELOPMENT" ? "" : (asked.externalDeploymentId?.trim() ?? "");
    if (externalId !== "") return this.byExternalId({ env, task, externalId, options: { ...options, externalDeploymentId: externalId } });
    const current = env.currentWorkerId === null ? null : await this.deps.directory.workerVersion(env.currentWorkerId);
    return { locked: null, config: current?.tasks.get(task), waitsFor: null, options };
  }

  /** Where the run is handed out. Dev runs go to the environment's own CLI, whatever the option says. Throws 422 for an unknown region. */
  async region(env: EnvironmentView, asked: string | undefined): Promise<string> {
    if (asked === undefined || env.type === "DEVELOPMENT" || asked === env.region) return env.region;
    if (await this.deps.deployed.hasRegion(asked)) return asked;
    throw new AppError(
      "unknown_region",
      422,
      `No region "${asked}". Runs of this environment are handed out in "${env.region}" unless they name another one.`
    );
  }

  private async byName(env: EnvironmentView, name: string): Promise<WorkerVersion> {
    const version = await this.deps.directory.versionByName(env.id, name);
    if (!version) throw unknownVersion(`No version ${name} in this environment.`);
    if (env.type !== "DEVELOPMENT" && !(await this.deps.deployed.byWorker(version.id)))
      throw unknownVersion(`Version ${name} is not deployed.`);
    return version;
  }

  private async byExternalId(wait: {
    env: EnvironmentView;
    task: string;
    externalId: string;
    options: TriggerVersion["options"];
  }): Promise<TriggerVersion> {
    const { env, task, externalId, options } = wait;
    const found = await this.deps.deployed.byExternalId(env.id, externalId);
    const version = found ? await this.deps.directory.workerVersion(found.versionId) : null;
    if (version) return locked(version, task, options);
    return { locked: null, config: undefined, waitsFor: externalId, options };
  }
}

function locked(version: WorkerVersion, task: string, options: TriggerVersion["options"]): TriggerVersion {
  const config = version.tasks.get(task);
  if (config) return { locked: version, config, waitsFor: null, options };
  throw new AppError("unknown_task", 422, `Version ${version.version} has no task "${task}". Name a task of that version.`);
}

function unknownVersion(text: string): AppError {
  return new AppError("unknown_version", 422, `${text} Deploy it, or trigger without a version.`);
}
