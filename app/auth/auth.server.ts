/**
 * Who is calling, and how people sign in.
 *
 * API routes use `environment`, `secretKey` and `personalAccessToken` through `app/api/dispatch/route.server.ts`. Dashboard pages:
 *
 * - `session(request)`: the person signed in, or null.
 * - `login({ email, password, request })`: `{ ok: true, setCookie }`, or why not. Put `setCookie` into `Set-Cookie`.
 * - `loginWithLink(token)`: for `/login?token=…`, the link that is printed at start. Consume it in a POST, not in the GET:
 *   previews and prefetches open links.
 * - `logout(request)`: the cookie that ends the session.
 * - `assertSameOrigin(request)`: first line of every action of a page; throws AppError 403.
 * - `authorizationCodes.describe(linkId)`, `.approve({ linkId, userId })`, `.deny(…)`: the page
 *   `/account/authorization-code/:linkId` of the CLI login.
 * - `tokens.list(userId)`, `.create({ userId, name })` (the token is shown once), `.revoke({ userId, id })`.
 * - `changePassword({ userId, current, next, request })`.
 */
import type { ControlPlaneClient } from "../environments/prisma.server";
import type { EnvironmentDirectory, EnvironmentView } from "../environments/types";
import type { Clock } from "../platform/clock";
import type { Pool } from "../platform/db.server";
import type { Logger } from "../platform/logger";
import { AppError } from "../utils/appError";
import { AuthorizationCodes } from "./authorizationCodes.server";
import { bearerOf, EnvironmentCallers } from "./environmentCallers.server";
import { LoginAttempts, UNKNOWN_ADDRESS } from "./loginAttempts.server";
import { LoginLinks } from "./loginLinks.server";
import { hashPassword, verifyPassword } from "./password.server";
import { PersonalAccessTokens } from "./personalAccessTokens.server";
import { signPublicToken } from "./publicToken.server";
import { assertSameOrigin, type Sender } from "./sameOrigin.server";
import { Sessions } from "./sessions.server";
import type { Auth as AuthPort, UserCaller } from "./types";

export type LoginOutcome =
  | { ok: true; userId: string; setCookie: string }
  | { ok: false; reason: "wrong_credentials" | "used_or_expired_link" }
  | { ok: false; reason: "too_many_attempts"; retryAfterSeconds: number };

export type PublicTokenRequest = {
  scopes: readonly string[];
  /** Default 15 minutes, as the SDK signs them; at most 30 days. */
  lifetimeSeconds?: number;
  oneTimeUse?: boolean;
  extra?: Readonly<Record<string, unknown>>;
};

export type Auth = AuthPort & {
  tokens: PersonalAccessTokens;
  authorizationCodes: AuthorizationCodes;
  loginLinks: LoginLinks;
  login(input: { email: string; password: string; request: Request }): Promise<LoginOutcome>;
  loginWithLink(token: string): Promise<LoginOutcome>;
  /** Value for `Set-Cookie`. */
  logout(request: Request): Promise<string>;
  /** Throws AppError 400 for a bad new password, 403 for a wrong current one. Other sessions of the user end. */
  changePassword(input: { userId: string; current: string; next: string; request: Request }): Promise<void>;
  /** Throws AppError 403 for a form that another site sent. */
  assertSameOrigin(request: Sender): void;
  /** Signs a public token for an environment with its current key. Throws 400 for a lifetime out of range. */
  signPublicToken(env: EnvironmentView, token: PublicTokenRequest): string;
};

export type AuthOptions = {
  pool: Pool;
  prisma: ControlPlaneClient;
  directory: EnvironmentDirectory;
  clock: Clock;
  log: Logger;
  /** Base of links, for example `http://localhost:3030`; cookies are `Secure` when it is https. */
  origin: string;
  sessionDays: number;
  /** Failed sign-ins for one e-mail from one address within 15 minutes. */
  loginAttempts: number;
  /** Header that a trusted proxy puts the caller's address in; without one, `x-sluice-client-address`, which our server sets itself. */
  clientAddressHeader?: string;
};

const SERVER_ADDRESS_HEADER = "x-sluice-client-address";
const DEFAULT_LIFETIME_SECONDS = 15 * 60;
const MAX_LIFETIME_SECONDS = 30 * 86_400;

/** Builds the domain; nothing runs in the background. */
export function createAuth(options: AuthOptions): Auth {
  const { pool, prisma, clock, origin } = options;
  const callers = new EnvironmentCallers({ directory: options.directory, clock });
  const tokens = new PersonalAccessTokens({ pool, prisma, clock });
  const sessions = new Sessions({ pool, clock, days: options.sessionDays, secure: origin.startsWith("https:") });
  const loginLinks = new LoginLinks({ pool, clock, origin });
  const signIn = new SignIn({
    ...options,
    sessions,
    attempts: new LoginAttempts({ pool, clock, limit: options.loginAttempts }),
    loginLinks,
  });
  const claims = new WeakMap<EnvironmentView, string>();
  return {
    environment: (request) => callers.fromRequest(request),
    secretKey: (request) => callers.secretKeyOnly(request),
    personalAccessToken: (request) => userOf(tokens, request),
    session: (request) => sessions.find(request),
    claimsHeader: (env) => {
      const known = claims.get(env);
      if (known !== undefined) return known;
      const header = JSON.stringify({ sub: env.id, pub: true });
      claims.set(env, header);
      return header;
    },
    tokens,
    authorizationCodes: new AuthorizationCodes({ prisma, clock, origin }),
    loginLinks,
    login: (input) => signIn.withPassword(input),
    loginWithLink: (token) => signIn.withLink(token),
    logout: (request) => sessions.destroy(request),
    changePassword: (input) => signIn.changePassword(input),
    assertSameOrigin: (request) => assertSameOrigin(request, origin),
    signPublicToken: (env, token) => signToken(env, token, clock.now()),
  };
}

async function userOf(tokens: PersonalAccessTokens, request: Request): Promise<UserCaller> {
  const credential = bearerOf(request);
  const user = credential === null ? null : await tokens.find(credential);
  if (user) return user;
  throw new AppError(
    "invalid_access_token",
    401,
    "Invalid or Missing Access Token. Run the CLI's login command, or make a token on the dashboard."
  );
}

function signToken(env: EnvironmentView, token: PublicTokenRequest, nowMs: number): string {
  const lifetimeSeconds = token.lifetimeSeconds ?? DEFAULT_LIFETIME_SECONDS;
  if (!(lifetimeSeconds > 0 && lifetimeSeconds <= MAX_LIFETIME_SECONDS)) {
    throw new AppError(
      "invalid_expiration",
      400,
      `A public token lives more than 0 and at most ${MAX_LIFETIME_SECONDS} seconds (30 days).`
    );
  }
  return signPublicToken({ ...token, envId: env.id, secretKey: env.secretKey, nowMs, lifetimeSeconds });
}

type SignInDeps = Pick<AuthOptions, "prisma" | "log" | "clientAddressHeader"> & {
  sessions: Sessions;
  attempts: LoginAttempts;
  loginLinks: LoginLinks;
};

class SignIn {
  constructor(private readonly deps: SignInDeps) {}

  async withPassword(input: { email: string; password: string; request: Request }): Promise<LoginOutcome> {
    const email = input.email.trim().toLowerCase().slice(0, 320);
    const who = { email, address: this.addressOf(input.request) };
    const retryAfterSeconds = await this.deps.attempts.begin(who);
    if (retryAfterSeconds > 0) {
      this.deps.log.warn("login.refused", { reason: "too_many_attempts" });
      return { ok: false, reason: "too_many_attempts", retryAfterSeconds };
    }
    const user = email.includes("\u0000") ? null : await this.deps.prisma.userAccount.findFirst({ where: { email, disabledAt: null } });
    const right = await verifyPassword(input.password, user?.passwordHash ?? null);
    if (!user || !right) return { ok: false, reason: "wrong_credentials" };
    await this.deps.attempts.succeeded(who);
    return { ok: true, userId: user.id, setCookie: await this.deps.sessions.create(user.id) };
  }

  async withLink(token: string): Promise<LoginOutcome> {
    const used = await this.deps.loginLinks.use(token);
    const user = used && (await this.deps.prisma.userAccount.findFirst({ where: { id: used.userId, disabledAt: null } }));
    if (!user) return { ok: false, reason: "used_or_expired_link" };
    return { ok: true, userId: user.id, setCookie: await this.deps.sessions.create(user.id) };
  }

  async changePassword(input: { userId: string; current: string; next: string; request: Request }): Promise<void> {
    const who = { email: input.userId, address: this.addressOf(input.request) };
    if ((await this.deps.attempts.begin(who)) > 0) {
      throw new AppError("too_many_attempts", 429, "Too many wrong passwords. Try again in 15 minutes.");
    }
    const user = await this.deps.prisma.userAccount.findUniqueOrThrow({ where: { id: input.userId }, select: { passwordHash: true } });
    if (!(await verifyPassword(input.current, user.passwordHash))) {
      throw new AppError("wrong_password", 403, "The current password is wrong.");
    }
    await this.deps.attempts.succeeded(who);
    const passwordHash = await hashPassword(input.next);
    await this.deps.prisma.userAccount.update({ where: { id: input.userId }, data: { passwordHash } });
    await this.deps.sessions.destroyOthers(input.userId, input.request);
  }

  /** The last value: the one that the proxy itself added. */
  private addressOf(request: Request): string {
    const header = request.headers.get(this.deps.clientAddressHeader ?? SERVER_ADDRESS_HEADER);
    return header?.split(",").at(-1)?.trim() || UNKNOWN_ADDRESS;
  }
}
