/** How a run moves: dequeue, attempts, timers, stalls, cancel, and the protocol of dev workers. */
export type {
  CancelInput,
  CancelOutcome,
  DevWorker,
  Engine,
  PauseState,
  RescheduleOutcome,
  RunChange,
  RunFeed,
  TriggeredRun,
} from "./types";
