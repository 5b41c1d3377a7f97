/** The services behind the deployments API. */
import type { Environments } from "../../environments/environments.server";
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import type { AuditLog, DeploymentEvents, DeploymentFeed, Workflow } from "../ports";
import { AttachDeploymentService } from "./create/attachDeployment.server";
import { BuildVariables } from "./create/buildVariables.server";
import { CancelDeploymentService } from "./cancelDeployment.server";
import { CreateDeploymentService } from "./create/createDeployment.server";
import { FailDeploymentService } from "./failDeployment.server";
import { FollowDeploymentService } from "./followDeployment.server";
import { HoldDeploymentService } from "./holdDeployment.server";
import { DeploymentReads } from "./reads.server";
import { RegisterDeployedWorkerService } from "./registerDeployedWorker.server";

export type DeploymentApi = {
  create: CreateDeploymentService;
  attach: AttachDeploymentService;
  hold: HoldDeploymentService;
  reads: DeploymentReads;
  cancel: CancelDeploymentService;
  fail: FailDeploymentService;
  registerWorker: RegisterDeployedWorkerService;
  buildVariables: BuildVariables;
  follow: FollowDeploymentService;
};

export type DeploymentApiOptions = {
  pool: Pool;
  clock: Clock;
  environments: Environments;
  events: DeploymentEvents;
  feed: DeploymentFeed;
  workflow: Workflow;
  audit: AuditLog;
  holdSegmentMs: number;
  /** 0 to 1: spreads tries that collided. */
  random?: () => number;
};

export function createDeploymentApi(options: DeploymentApiOptions): DeploymentApi {
  const { pool, clock, environments, feed } = options;
  const { secretBox } = environments;
  const fail = new FailDeploymentService(options);
  return {
    create: new CreateDeploymentService({ ...options, secretBox, random: options.random ?? Math.random }),
    attach: new AttachDeploymentService(options),
    hold: new HoldDeploymentService({ pool, feed, clock, segmentMs: options.holdSegmentMs }),
    reads: new DeploymentReads({ pool, directory: environments.directory }),
    cancel: new CancelDeploymentService(options),
    fail,
    registerWorker: new RegisterDeployedWorkerService({ ...options, fail }),
    buildVariables: new BuildVariables({ pool, secretBox }),
    follow: new FollowDeploymentService(options),
  };
}
