/** What every step of one deployment's workflow has at hand. */
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import type { Step } from "../phases";
import type { DeploymentEvents, Workflow } from "../ports";
import type { AutoPromotion, BuildInput, BuildOutput } from "./ports";
import type { Compensations } from "./compensations";
import type { DurableContext } from "./engine/engine";

export type StepDeps = {
  pool: Pool;
  clock: Clock;
  events: DeploymentEvents;
  workflow: Pick<Workflow, "signal">;
  promotion: AutoPromotion;
  buildInput: BuildInput;
  buildOutput: BuildOutput;
  /** Tells the jobs loop of this process that follow-ups were added. */
  jobsAdded: () => void;
  /** Milliseconds that each step may take. */
  deadlinesMs: Record<Step, number>;
};

export type DeploymentRun = {
  deploymentId: string;
  epoch: number;
  durable: DurableContext;
  undo: Compensations;
  deps: StepDeps;
};
