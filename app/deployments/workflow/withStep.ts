/** One step of the six: opened and closed in the rows, its errors kept whole. */
import type { Step } from "../phases";
import { combineErrors } from "../stepError";
import type { DeploymentRun } from "./deploymentRun";
import { DeployError } from "./errors";
import { endStep, startStep, type StepStart } from "./stepRecords.server";

export type OpenStep = Extract<StepStart, { kind: "run" }>;
export type StepDefinition<T> = {
  step: Step;
  /** Pushes what undoes the step. Called before anything is done, also when the step was done in an earlier life. */
  prepare?: (run: DeploymentRun) => void;
  /** Reads and writes rows in `run.durable.step` only. The outcome is small JSON and is kept in the step's row. */
  work: (run: DeploymentRun, open: OpenStep) => Promise<T>;
  /** The last step closes its row in the transaction that makes the deployment ready. */
  closesItself?: boolean;
};

/** A step failed; says which. */
export class StepFailure extends Error {
  constructor(
    readonly step: Step,
    override readonly cause: Error
  ) {
    super(cause.message);
  }
}

/** The step's outcome, or `done` when the deployment was ready before. Throws StepFailure. */
export async function withStep<T>(run: DeploymentRun, definition: StepDefinition<T>): Promise<{ done: boolean; outcome: T }> {
  const { step } = definition;
  try {
    const start = await run.durable.step(`${step}.start`, () => startStep(run, step));
    if (isOver(start)) throw new DeployError(start.kind, start.message);
    definition.prepare?.(run);
    if (start.kind === "done") return { done: true, outcome: null as T };
    if (start.kind === "skip") return { done: false, outcome: start.outcome as T };
    return { done: false, outcome: await workAndClose(run, definition, start) };
  } catch (error) {
    throw new StepFailure(step, error instanceof Error ? error : new Error(String(error)));
  }
}

function isOver(start: StepStart): start is Extract<StepStart, { message: string }> {
  return start.kind === "cancelled" || start.kind === "ended";
}

async function workAndClose<T>(run: DeploymentRun, definition: StepDefinition<T>, open: OpenStep): Promise<T> {
  const { step } = definition;
  const outcome = await definition.work(run, open).catch((error: unknown) => closeFailed(run, step, error));
  if (!definition.closesItself) await run.durable.step(`${step}.end`, () => endStep(run, step, { outcome }));
  return outcome;
}

/** Keeps the error of the step; when that cannot be written either, both go on together and the step's own leads. */
async function closeFailed(run: DeploymentRun, step: Step, thrown: unknown): Promise<never> {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  try {
    await run.durable.step(`${step}.end`, () => endStep(run, step, { error }));
  } catch (endError) {
    throw combineErrors(error, endError instanceof Error ? endError : new Error(String(endError)));
  }
  throw error;
}
