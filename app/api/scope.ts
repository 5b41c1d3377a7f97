/** What a public token may do; secret keys may do everything in their environment. */
import type { Action, EnvironmentCaller, Resource } from "../auth/types";
import { AppError } from "../utils/appError";

/** Thrown when a token's scopes do not cover a call; answered with the fields that the SDK surfaces. */
export class MissingScopeError extends AppError {
  readonly fields = { param: "access_token", type: "authorization" };

  constructor() {
    super("unauthorized", 403, "Unauthorized");
  }
}

/** Throws a 403 unless any of the resources is in the caller's scope for the action. */
export function requireScope(caller: EnvironmentCaller, action: Action, anyOf: readonly Resource[]): void {
  if (!caller.can(action, anyOf)) throw new MissingScopeError();
}
