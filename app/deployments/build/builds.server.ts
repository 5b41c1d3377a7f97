/** The server's side of builds: jobs that the workflow opened go to agents with the role builder, and come back as releases. */
import type { BuildAssignment, BuildJobRef, BuildLogLine, BuildOutcome, HeartbeatAnswer } from "../../../agent/build/protocol";
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import type { EnvironmentDirectory } from "../../environments/types";
import { AppError } from "../../utils/appError";
import type { BuildVariables } from "../api/create/buildVariables.server";
import type { ArtifactFiles } from "../artifacts/artifactFiles.server";
import { deploymentById } from "../rows/deploymentRows.server";
import type { DeploymentEvents, DeploymentFeed, Workflow } from "../ports";
import type { Releases } from "../releases/releases.server";
import { BuildReports, type BuildReport } from "./buildReports.server";
import { ClaimBuildService, type HeldClaim } from "./claimBuild.server";

export type BuildsOptions = {
  pool: Pool;
  clock: Clock;
  feed: Pick<DeploymentFeed, "onAnyDeployment">;
  directory: Pick<EnvironmentDirectory, "byId">;
  events: DeploymentEvents;
  workflow: Pick<Workflow, "signal">;
  variables: BuildVariables;
  files: Pick<ArtifactFiles, "read">;
  releases: Releases;
};

export type Builds = {
  claim(claim: HeldClaim): Promise<BuildAssignment | null>;
  heartbeat(report: BuildReport): Promise<HeartbeatAnswer>;
  log(report: BuildReport, lines: readonly BuildLogLine[]): Promise<void>;
  done(report: BuildReport, outcome: BuildOutcome): Promise<void>;
  /** Bytes of the upload, or of the bundle that was made of it. Throws 404 when there is none, 409 for a build that is not the agent's. */
  artifact(report: BuildReport, which: "source" | "bundle"): Promise<NonNullable<Awaited<ReturnType<ArtifactFiles["read"]>>>>;
  /** Answers held claims; later ones are answered at once. */
  drain(): void;
};
export type { BuildJobRef };

/** Builds the part; nothing runs in the background. */
export function createBuilds(options: BuildsOptions): Builds {
  const claims = new ClaimBuildService(options);
  const reports = new BuildReports(options);
  return {
    claim: (claim) => claims.call(claim),
    heartbeat: (report) => reports.heartbeat(report),
    log: (report, lines) => reports.log(report, lines),
    done: (report, outcome) => reports.done(report, outcome),
    artifact: async (report, which) => {
      await reports.assertHeld(report);
      const deployment = await deploymentById(options.pool, report.deploymentId);
      const key = which === "bundle" ? deployment?.bundleKey : deployment?.artifactKey;
      const file = key ? await options.files.read(key) : null;
      if (file) return file;
      throw new AppError("artifact_missing", 404, `The ${which} of this deployment is no longer available. Deploy again.`);
    },
    drain: () => claims.stop(),
  };
}
