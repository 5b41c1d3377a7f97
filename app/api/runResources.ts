/** The resources by which a token may name a run. */
import type { Resource } from "../auth/types";
import type { RunHeader } from "../runops/runStore";
import { friendlyId } from "../utils/ids";

/** A run is readable when any of its id, tags, batch or task is in scope. */
export function resourcesOfRun(header: Pick<RunHeader, "id" | "tags" | "batchId" | "task">): Resource[] {
  const resources: Resource[] = [
    { type: "runs", id: friendlyId("run", header.id) },
    { type: "tasks", id: header.task },
  ];
  for (const tag of header.tags) resources.push({ type: "tags", id: tag });
  if (header.batchId !== null) resources.push({ type: "batch", id: friendlyId("batch", header.batchId) });
  return resources;
}

/** The run that a path names, for writes: only its id counts. */
export function runResource(runId: string): Resource[] {
  return [{ type: "runs", id: runId }];
}
