/** Turns the run id of a path into the stored one. */
import { AppError } from "../utils/appError";
import { parseFriendlyId } from "../utils/ids";

/** The 404 that clients print; the same for a run of another environment, so that ids cannot be probed. */
export function runNotFound(): AppError {
  return new AppError("run_not_found", 404, "Run not found");
}

/** The body of `run_…`. Throws the 404 when it cannot be an id of ours. */
export function runIdOf(friendly: string): string {
  const id = parseFriendlyId("run", friendly);
  if (id === null) throw runNotFound();
  return id;
}
