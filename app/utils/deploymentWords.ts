/** What pages call deployments and their phases. */

/** Words of the statuses in the order of a deployment's life, as filters offer them. */
export const DEPLOYMENT_WORDS = {
  queued: "Queued",
  awaiting_approval: "Awaiting approval",
  starting: "Starting",
  building: "Building",
  deploying: "Deploying",
  network: "Routing",
  finalizing: "Finalizing",
  ready: "Ready",
  stopped: "Stopped",
  failed: "Failed",
  timed_out: "Timed out",
  cancelled: "Canceled",
  superseded: "Superseded",
  skipped: "Skipped",
} as const;

/** Titles of the six phases. */
/** The six phases with a row on the page. */
export const STEP_TITLES = {
  queued: "Queued",
  starting: "Starting",
  building: "Building",
  deploying: "Deploying",
  network: "Routing",
  finalizing: "Finalizing",
} as const;
