/** How many processes fit, and who makes room for whom. */
import os from "node:os";
import { MAX_SLOTS } from "../protocol";
import type { Replica } from "./replica";

/** Measured: a controller and an executing child, 82 and 69 MB of PSS, and room for the user's own data; MB. */
const SLOT_MB = 250;
/** The rest is for the agent, builds, and on a single machine the server and its stores. */
const MEMORY_SHARE = 0.75;

/** Slots of this machine when the command line does not say. */
export function slotsByMemory(totalBytes = os.totalmem()): number {
  return Math.min(MAX_SLOTS, Math.max(1, Math.floor((totalBytes * MEMORY_SHARE) / (SLOT_MB * 1024 * 1024))));
}

/**
 * The idle replica to stop so that another can start: first those that were started for a single run, then residents of
 * versions that are not current, longest idle first. Never one with a run, never one of a current version, never one of
 * `forDeployment` itself. Undefined when everybody has to stay.
 */
export function evictable(replicas: readonly Replica[], forDeployment: string): Replica | undefined {
  return replicas
    .filter((replica) => replica.phase === "idle" && !replica.draining && replica.version.id !== forDeployment)
    .filter((replica) => !replica.resident || !replica.version.isCurrent)
    .sort((a, b) => Number(a.resident) - Number(b.resident) || a.idleSince - b.idleSince)[0];
}
