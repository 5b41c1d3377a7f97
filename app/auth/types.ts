/** Who is calling, as routes see it. Implemented by `createAuth` in `auth.server.ts`. */
import type { EnvironmentView } from "../environments/types";

export type Action = "read" | "write" | "trigger" | "batchTrigger" | "admin";
/** What an action is on; without an id: the whole type (`read:runs`). */
export type Resource = {
  type: "runs" | "tags" | "batch" | "tasks" | "waitpoints" | "inputStreams" | "deployments" | "queues" | "envvars";
  id?: string;
};

/** A caller that acts in one environment: a secret key, or a public token signed with one. */
export type EnvironmentCaller = {
  env: EnvironmentView;
  via: "secret-key" | "public-token" | "build-token";
  /** True when any of the resources is in scope; always true for secret keys. */
  can(action: Action, anyOf: readonly Resource[]): boolean;
  /** Set for one-time tokens: consumed in the statement of the write that it allows. */
  oneTimeToken: { hash: Buffer; expiresAt: Date } | null;
  /** Scopes of the token as it was signed, for `x-trigger-jwt-claims`. */
  scopes: readonly string[];
  /** Set for the token of a build: the one deployment that it acts for. */
  build?: { deploymentId: string; attempt: number };
};

/** A person: a personal access token (API, CLI) or a dashboard session. */
export type UserCaller = {
  userId: string;
  email: string;
  isAdmin: boolean;
  /** Organizations that the user is a member of: every query of theirs is scoped by these. */
  organizationIds: readonly string[];
  via: "personal-access-token" | "session";
};

/** An agent of a region, by its token: it may act on what its region hands out, and on nothing else. */
export type AgentCaller = {
  region: { id: string; name: string };
  /** Unique in its region; what the caller says it is. */
  instanceName: string;
  tokenId: string;
};

export interface AgentAuthenticator {
  /** `Authorization: Bearer tr_wgt_...` with `x-trigger-worker-instance-name`. Throws AppError 401, or 400 without a name. */
  authenticate(headers: Headers): Promise<AgentCaller>;
}

export interface BuildAuthenticator {
  /** A build, by `Authorization: Bearer tr_<environment>_bld_...`; null for any other credential. Throws AppError 401 once the build is over. */
  authenticate(request: Request): Promise<EnvironmentCaller | null>;
}

export interface Auth {
  /** Secret key or public token from `Authorization`. Throws AppError 401 `Invalid or Missing API key`. */
  environment(request: Request): Promise<EnvironmentCaller>;
  /** Secret key only: a public token is refused with 403. */
  secretKey(request: Request): Promise<EnvironmentCaller>;
  /** Personal access token. Throws AppError 401. */
  personalAccessToken(request: Request): Promise<UserCaller>;
  /** Dashboard session, or null. */
  session(request: Request): Promise<UserCaller | null>;
  /** Value of `x-trigger-jwt-claims` for the environment, so that the SDK can sign public tokens. */
  claimsHeader(env: EnvironmentView): string;
}
