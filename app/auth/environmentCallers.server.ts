/** Callers that act in one environment, from the `Authorization` header. A hit costs Map lookups; no hashing, no query. */
import type { Clock } from "../platform/clock";
import type { EnvironmentDirectory, EnvironmentView } from "../environments/types";
import { looksLikeSecretKey } from "../environments/tenancy/keys.server";
import { AppError } from "../utils/appError";
import { residencyOf } from "../utils/ids";
import { isSignedBy, looksLikePublicToken, oneTimeHash, parsePublicToken, type UnverifiedToken } from "./publicToken.server";
import { scopesAllow } from "./scopes";
import type { EnvironmentCaller } from "./types";

const MAX_VERIFIED = 10_000;
const BRANCH_HEADER = "x-trigger-branch";

type Verified = {
  view: EnvironmentView;
  caller: EnvironmentCaller;
  notBeforeMs: number;
  expiresAtMs: number;
  /** End of grace of the key that signed it; infinite for the current key. */
  keyUntilMs: number;
};

export class EnvironmentCallers {
  private readonly byView = new WeakMap<EnvironmentView, EnvironmentCaller>();
  private readonly verified = new Map<string, Verified>();

  constructor(private readonly deps: { directory: EnvironmentDirectory; clock: Clock }) {}

  /** Secret key or public token. Throws 401, or 404 for a branch that does not exist. */
  async fromRequest(request: Request): Promise<EnvironmentCaller> {
    const credential = bearerOf(request);
    if (credential === null) throw invalidKey();
    if (looksLikeSecretKey(credential)) return this.fromSecretKey(credential, request.headers.get(BRANCH_HEADER));
    if (looksLikePublicToken(credential)) return this.fromPublicToken(credential);
    throw invalidKey();
  }

  /** Secret key alone: 403 for a good public token. */
  async secretKeyOnly(request: Request): Promise<EnvironmentCaller> {
    const caller = await this.fromRequest(request);
    if (caller.via === "secret-key") return caller;
    throw new AppError("secret_key_required", 403, "A public token cannot be used here. Send the environment's secret key.");
  }

  private async fromSecretKey(key: string, branch: string | null): Promise<EnvironmentCaller> {
    const view = await this.deps.directory.bySecretKey(key);
    if (!view) throw invalidKey();
    return this.callerOf(branch === null ? view : await this.branchOf(view, branch));
  }

  /** Only dev and preview have branches; other environments ignore the header, which frameworks send everywhere. */
  private async branchOf(view: EnvironmentView, branch: string): Promise<EnvironmentView> {
    if (branch === "" || branch === "default" || (view.slug !== "dev" && view.slug !== "preview")) return view;
    const found = await this.deps.directory.bySlug(view.project.ref, view.slug, branch);
    if (found) return found;
    throw new AppError(
      "branch_not_found",
      404,
      `There is no ${view.slug} branch "${branch.slice(0, 100)}". Make it by running the CLI with --branch, or leave ${BRANCH_HEADER} out.`
    );
  }

  private callerOf(view: EnvironmentView): EnvironmentCaller {
    const known = this.byView.get(view);
    if (known) return known;
    const caller: EnvironmentCaller = { env: view, via: "secret-key", can: () => true, oneTimeToken: null, scopes: [] };
    this.byView.set(view, caller);
    return caller;
  }

  private async fromPublicToken(token: string): Promise<EnvironmentCaller> {
    const known = this.verified.get(token);
    if (known && (await this.stillHolds(known))) return known.caller;
    this.verified.delete(token);
    const verified = await this.verify(token);
    this.verified.set(token, verified);
    if (this.verified.size > MAX_VERIFIED) {
      const oldest = this.verified.keys().next();
      if (!oldest.done) this.verified.delete(oldest.value);
    }
    return verified.caller;
  }

  /** A rotated key, an archived environment or any other change gives the environment a new view, and ends this. */
  private async stillHolds(known: Verified): Promise<boolean> {
    const now = this.deps.clock.now();
    if (now >= known.expiresAtMs || now >= known.keyUntilMs) return false;
    return (await this.deps.directory.byId(known.view.id)) === known.view;
  }

  private async verify(token: string): Promise<Verified> {
    const parsed = parsePublicToken(token);
    if ("problem" in parsed) throw invalidToken(parsed.problem);
    const { claims } = parsed;
    const view = residencyOf(claims.sub) === "unclassifiable" ? null : await this.deps.directory.byId(claims.sub);
    const keyUntilMs = view && view.archivedAt === null ? this.signingKeyUntil(parsed, view) : null;
    // One text for an unknown environment and a wrong signature: neither may be told apart by guessing.
    if (!view || keyUntilMs === null) throw invalidToken("it was not signed with a key of its environment");
    const now = this.deps.clock.now();
    const expiresAtMs = claims.exp * 1_000;
    if (now >= expiresAtMs) throw invalidToken("it has expired", "public_token_expired");
    const notBeforeMs = (claims.nbf ?? 0) * 1_000;
    if (now < notBeforeMs) throw invalidToken("it is not valid yet");
    const caller: EnvironmentCaller = {
      env: view,
      via: "public-token",
      can: (action, anyOf) => scopesAllow(claims.scopes, action, anyOf),
      oneTimeToken: claims.otu ? { hash: oneTimeHash(parsed), expiresAt: new Date(expiresAtMs) } : null,
      scopes: claims.scopes,
    };
    return { view, caller, notBeforeMs, expiresAtMs, keyUntilMs };
  }

  /** Until when the key that signed the token counts; null when no key of the environment did. */
  private signingKeyUntil(token: UnverifiedToken, view: EnvironmentView): number | null {
    if (isSignedBy(token, view.secretKey)) return Number.POSITIVE_INFINITY;
    const now = this.deps.clock.now();
    const grace = view.graceKeys.find((old) => old.until.getTime() > now && isSignedBy(token, old.key));
    return grace ? grace.until.getTime() : null;
  }
}

/** The credential after `Bearer`, or null. */
export function bearerOf(request: Request): string | null {
  const header = request.headers.get("authorization");
  if (header === null) return null;
  const match = /^bearer +(\S+) *$/i.exec(header);
  return match?.[1] ?? null;
}

/** The text that the SDK's users know. */
export function invalidKey(): AppError {
  return new AppError("invalid_api_key", 401, "Invalid or Missing API key");
}

function invalidToken(problem: string, code = "invalid_public_token"): AppError {
  return new AppError(code, 401, `Invalid public token: ${problem}. Create a new one with auth.createPublicToken().`);
}
