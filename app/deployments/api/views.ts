/** Deployments as answers show them. */
import { friendlyId } from "../../utils/ids";
import type { Step, WireStatus } from "../phases";
import type { DeploymentEvent, DeploymentRecord } from "../ports";

/** Nothing here drives a container build; the CLI wants the field to be filled. */
const NO_EXTERNAL_BUILD = { projectId: "-", buildToken: "-", buildId: "-" };
const IMAGE_PLATFORM = "linux/amd64";

export type DeploymentPlace = { projectRef: string; envSlug: string };

/** Page of a deployment; the CLI prints the same address. */
export function deploymentLink(origin: string, projectRef: string, shortCode: string): string {
  return `${origin}/projects/v3/${projectRef}/deployments/${shortCode}`;
}

/** Answer of a create call; `isPromoted` only for a deployment that was there already. */
export function createdView(deployment: DeploymentRecord, place: DeploymentPlace) {
  return {
    id: friendlyId("deployment", deployment.id),
    contentHash: deployment.contentHash,
    shortCode: deployment.shortCode,
    version: deployment.version,
    imageTag: `release/${place.projectRef}:${deployment.version}.${place.envSlug}.${deployment.shortCode}`,
    imagePlatform: IMAGE_PLATFORM,
    externalId: deployment.externalId ?? undefined,
    externalBuildData: NO_EXTERNAL_BUILD,
  };
}

export type WorkerView = { id: string; version: string; tasks: { id: string; slug: string; filePath: string; exportName?: string }[] };

/** Answer of `GET /api/v1/deployments/:id`. */
export function detailView(deployment: DeploymentRecord, worker: WorkerView | undefined) {
  return {
    id: friendlyId("deployment", deployment.id),
    status: deployment.status,
    phase: deployment.phase,
    contentHash: deployment.contentHash,
    shortCode: deployment.shortCode,
    version: deployment.version,
    imageReference: deployment.imageReference,
    imagePlatform: IMAGE_PLATFORM,
    commitSHA: deployment.commitSha,
    externalId: deployment.externalId ?? undefined,
    externalBuildData: NO_EXTERNAL_BUILD,
    errorData: deployment.errorData,
    canceledReason: deployment.canceledReason,
    worker,
  };
}

/** One item of the list, and the answer for the current deployment. */
export function itemView(deployment: DeploymentRecord) {
  return {
    id: friendlyId("deployment", deployment.id),
    createdAt: deployment.createdAt.toISOString(),
    shortCode: deployment.shortCode,
    version: deployment.version,
    runtime: deployment.runtime,
    runtimeVersion: deployment.runtimeVersion,
    status: listedStatus(deployment.status),
    phase: deployment.phase,
    deployedAt: deployment.deployedAt?.toISOString(),
    git: deployment.git ?? undefined,
    error: deployment.errorData ?? undefined,
    externalId: deployment.externalId ?? undefined,
  };
}

/** The list's schema in the SDK lacks INSTALLING, and one item outside of it fails the whole list. */
function listedStatus(status: WireStatus): Exclude<WireStatus, "INSTALLING"> {
  return status === "INSTALLING" ? "BUILDING" : status;
}

/** Statuses that a filter of the list means, so that it finds what it shows. */
export function statusesOfFilter(status: WireStatus): WireStatus[] {
  return status === "BUILDING" ? ["INSTALLING", "BUILDING"] : [status];
}

/** One event; `message` is the whole line. */
export function eventView(event: DeploymentEvent) {
  return { seq: event.seq, at: event.at.toISOString(), type: event.type, step: event.step, level: event.level, message: event.body };
}

const STEP_WORDS: Record<Step, string> = {
  queued: "queued",
  starting: "starting",
  building: "building",
  deploying: "deploying",
  network: "routing",
  finalizing: "finalizing",
};

/** A step in a sentence: "failed while building". */
export function stepWord(step: Step | null): string {
  return step === null ? "queued" : STEP_WORDS[step];
}
