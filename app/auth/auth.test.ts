import { createHmac } from "node:crypto";
import { generateJWT } from "@trigger.dev/core/v3/jwt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestServices, type TestServices } from "../../test/services";
import { createTenant, TEST_ENCRYPTION_KEY, waitFor, type Tenant } from "../../test/tenant";
import { createEnvironments, type Environments } from "../environments/environments.server";
import { manualClock, systemClock, type Clock } from "../platform/clock";
import { createAuth, type Auth } from "./auth.server";
import { hashPassword, verifyPassword } from "./password.server";
import { signPublicToken } from "./publicToken.server";
import { scopesAllow } from "./scopes";
import { tokenLifetimeSeconds } from "./tokenLifetime";
import type { Action, Resource } from "./types";

const ORIGIN = "http://localhost:3030";
const PASSWORD = "correct horse battery";

let services: TestServices;
let environments: Environments;
let auth: Auth;
let tenant: Tenant;

beforeAll(async () => {
  services = await createTestServices();
  environments = buildEnvironments();
  await environments.start();
  auth = buildAuth(environments);
  tenant = await createTenant(environments);
  const passwordHash = await hashPassword(PASSWORD);
  await environments.prisma.userAccount.update({ where: { id: tenant.userId }, data: { passwordHash } });
});

afterAll(async () => {
  await environments.stop();
  await services.close();
});

function buildEnvironments(clock: Clock = systemClock): Environments {
  const { pool, databaseUrl, log } = services;
  return createEnvironments({
    pool,
    directDatabaseUrl: databaseUrl,
    encryptionKey: TEST_ENCRYPTION_KEY,
    defaultConcurrency: 10,
    clock,
    log,
  });
}

function buildAuth(of: Environments, clock: Clock = systemClock): Auth {
  const { pool, log } = services;
  return createAuth({ pool, prisma: of.prisma, directory: of, clock, log, origin: ORIGIN, sessionDays: 14, loginAttempts: 3 });
}

function request(headers: Record<string, string> = {}, method = "GET"): Request {
  return new Request(`${ORIGIN}/api/v1/runs`, { headers, method });
}

function bearer(credential: string, headers: Record<string, string> = {}): Request {
  return request({ authorization: `Bearer ${credential}`, ...headers });
}

function token(claims: Record<string, unknown> = {}, options: { key?: string; header?: unknown; signature?: string } = {}): string {
  const now = Math.floor(Date.now() / 1_000);
  const all = {
    iss: "https://id.trigger.dev",
    aud: "https://api.trigger.dev",
    sub: tenant.dev.id,
    pub: true,
    exp: now + 900,
    scopes: ["read:runs"],
    ...claims,
  };
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${encode(options.header ?? { alg: "HS256" })}.${encode(all)}`;
  const signature =
    options.signature ??
    createHmac("sha256", options.key ?? tenant.dev.secretKey)
      .update(signed)
      .digest("base64url");
  return `${signed}.${signature}`;
}

describe("secret keys", () => {
  it("act in their environment, in everything", async () => {
    const caller = await auth.environment(bearer(tenant.prod.secretKey));
    expect(caller).toMatchObject({ via: "secret-key", oneTimeToken: null, env: { id: tenant.prod.id } });
    expect(caller.can("admin", [])).toBe(true);
    expect(await auth.secretKey(bearer(tenant.prod.secretKey))).toBe(caller);
  });

  const bad: [string, Record<string, string>][] = [
    ["no header", {}],
    ["an empty header", { authorization: "" }],
    ["another scheme", { authorization: "Basic dHJfZGV2X3g6" }],
    ["no credential", { authorization: "Bearer " }],
    ["two credentials", { authorization: "Bearer a b" }],
    ["an unknown key", { authorization: "Bearer tr_dev_0123456789abcdefghijklmnopqrstuv" }],
    ["the form of an additional key", { authorization: "Bearer tr_dev_sk_0123456789abcdefghijklmn" }],
    ["a personal access token", { authorization: "Bearer tr_pat_0123456789abcdefghijklmnopqrstuvwxyzABCD" }],
    ["a very long key", { authorization: `Bearer tr_dev_${"a".repeat(10_000)}` }],
    ["__proto__", { authorization: "Bearer __proto__" }],
    ["three empty parts", { authorization: "Bearer .." }],
  ];
  it.each(bad)("refuses %s with 401", async (_name, headers) => {
    await expect(auth.environment(request(headers))).rejects.toMatchObject({ status: 401 });
    await expect(auth.secretKey(request(headers))).rejects.toMatchObject({ status: 401 });
    await expect(auth.personalAccessToken(request(headers))).rejects.toMatchObject({ status: 401 });
  });

  it("refuses a missing key with the text that the SDK's users know", async () => {
    await expect(auth.environment(request())).rejects.toMatchObject({ message: "Invalid or Missing API key" });
  });

  it("with a branch header act in the branch; an unknown branch is a 404, and prod ignores the header", async () => {
    const { id } = await environments.upsertBranch.call({ projectId: tenant.projectId, env: "dev", branch: "mine" });
    expect((await auth.environment(bearer(tenant.dev.secretKey, { "x-trigger-branch": "mine" }))).env.id).toBe(id);
    expect((await auth.environment(bearer(tenant.dev.secretKey, { "x-trigger-branch": "default" }))).env.id).toBe(tenant.dev.id);
    await expect(auth.environment(bearer(tenant.dev.secretKey, { "x-trigger-branch": "theirs" }))).rejects.toMatchObject({ status: 404 });
    expect((await auth.environment(bearer(tenant.prod.secretKey, { "x-trigger-branch": "theirs" }))).env.id).toBe(tenant.prod.id);
  });
});

describe("public tokens", () => {
  it("that the SDK signs are accepted, cached, and limited to their scopes", async () => {
    const payload = { sub: tenant.dev.id, pub: true, scopes: ["read:runs:run_1", "read:tags:user:7"] };
    const signed = await generateJWT({ secretKey: tenant.dev.secretKey, payload });
    const caller = await auth.environment(bearer(signed));
    expect(caller).toMatchObject({ via: "public-token", env: { id: tenant.dev.id }, oneTimeToken: null });
    expect(await auth.environment(bearer(signed))).toBe(caller);
    expect(caller.can("read", [{ type: "runs", id: "run_1" }])).toBe(true);
    expect(caller.can("read", [{ type: "runs", id: "run_2" }])).toBe(false);
    expect(
      caller.can("read", [
        { type: "runs", id: "run_2" },
        { type: "tags", id: "user:7" },
      ])
    ).toBe(true);
    expect(caller.can("write", [{ type: "runs", id: "run_1" }])).toBe(false);
    await expect(auth.secretKey(bearer(signed))).rejects.toMatchObject({ status: 403 });
  });

  it("that we sign are accepted by ourselves", async () => {
    const signed = auth.signPublicToken(tenant.prod, { scopes: ["read:all"], oneTimeUse: true, lifetimeSeconds: 60 });
    const caller = await auth.environment(bearer(signed));
    expect(caller.env.id).toBe(tenant.prod.id);
    expect(caller.oneTimeToken?.hash).toHaveLength(32);
  });

  it.each([
    ["alg none", () => token({}, { header: { alg: "none" }, signature: "x" })],
    ["alg none without signature", () => token({}, { header: { alg: "none" }, signature: "" })],
    ["another algorithm", () => token({}, { header: { alg: "HS512" } })],
    ["critical extensions", () => token({}, { header: { alg: "HS256", crit: ["b64"] } })],
    ["a key of another environment", () => token({}, { key: tenant.prod.secretKey })],
    ["the sub of another environment", () => token({ sub: tenant.prod.id })],
    ["a sub that does not exist", () => token({ sub: "c00000000000000000000000a" })],
    ["a sub that is no id", () => token({ sub: "'; DROP TABLE run" })],
    ["no sub", () => token({ sub: undefined })],
    ["pub false", () => token({ pub: false })],
    ["no expiry", () => token({ exp: undefined })],
    ["an expiry in the past", () => token({ exp: Math.floor(Date.now() / 1_000) - 1 })],
    ["a start in the future", () => token({ nbf: Math.floor(Date.now() / 1_000) + 600 })],
    ["another issuer", () => token({ iss: "https://evil.example" })],
    ["another audience", () => token({ aud: "https://evil.example" })],
    ["scopes that are no list", () => token({ scopes: "admin" })],
    ["a signature of another length", () => `${token().split(".").slice(0, 2).join(".")}.YWJj`],
    ["characters outside the alphabet", () => `${token()}=`],
    ["a payload that is no JSON", () => `${Buffer.from('{"alg":"HS256"}').toString("base64url")}.bm90IGpzb24.YWJj`],
    ["an endless token", () => token({ scopes: Array.from({ length: 900 }, (_, i) => `read:runs:${i}-${"x".repeat(30)}`) })],
  ])("refuses %s with 401 that names the problem", async (_name, make) => {
    await expect(auth.environment(bearer(make()))).rejects.toMatchObject({
      status: 401,
      message: expect.stringMatching(/^Invalid public token: /),
    });
  });

  it("name one-time tokens by what was signed: the same signature written another way is the same token", async () => {
    const signed = token({ otu: true });
    const first = await auth.environment(bearer(signed));
    // 32 bytes leave two unused bits in the last character of base64url.
    const last = signed.at(-1) ?? "";
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const twin = signed.slice(0, -1) + (alphabet[alphabet.indexOf(last) ^ 1] ?? "");
    expect(Buffer.from(twin.split(".")[2] ?? "", "base64url")).toEqual(Buffer.from(signed.split(".")[2] ?? "", "base64url"));
    const second = await auth.environment(bearer(twin));
    expect(second.oneTimeToken?.hash).toEqual(first.oneTimeToken?.hash);
    expect(first.oneTimeToken?.expiresAt).toBeInstanceOf(Date);
  });

  it("expire, cached or not", async () => {
    const clock = manualClock(Date.now());
    const later = buildEnvironments(clock);
    const itsAuth = buildAuth(later, clock);
    const signed = signPublicToken({
      envId: tenant.dev.id,
      secretKey: tenant.dev.secretKey,
      scopes: [],
      nowMs: clock.now(),
      lifetimeSeconds: 60,
    });
    await itsAuth.environment(bearer(signed));
    clock.advance(61_000);
    await expect(itsAuth.environment(bearer(signed))).rejects.toMatchObject({ status: 401, code: "public_token_expired" });
    await later.stop();
  });

  it("signed with a rotated key work until its grace ends; signed with a revoked one they stop on every process within a second", async () => {
    const project = await environments.createProject.call(tenant.projectInput);
    const view = await environments.bySlug(project.ref, "prod", null);
    const envId = view?.id ?? "";
    const old = token({ sub: envId }, { key: view?.secretKey ?? "" });
    const elsewhere = buildEnvironments();
    await elsewhere.start();
    const theirs = buildAuth(elsewhere);
    await theirs.environment(bearer(old));
    const { secretKey } = await environments.rotateKey.call({ envId, graceMs: 60_000 });
    await waitFor(async () => (await elsewhere.byId(envId))?.secretKey === secretKey);
    expect((await theirs.environment(bearer(old))).env.id).toBe(envId);
    await environments.rotateKey.call({ envId, graceMs: 0 });
    const refused = (call: Promise<unknown>) =>
      call.then(
        () => false,
        (error: { status?: number }) => error.status === 401
      );
    await waitFor(() => refused(theirs.environment(bearer(old))), 1_000);
    expect(await refused(theirs.environment(bearer(token({ sub: envId }, { key: secretKey }))))).toBe(true);
    await elsewhere.stop();
  });

  it("of an archived branch stop", async () => {
    const { id } = await environments.upsertBranch.call({ projectId: tenant.projectId, env: "preview", branch: "gone" });
    const view = await environments.byId(id);
    const signed = token({ sub: id }, { key: view?.secretKey ?? "" });
    expect((await auth.environment(bearer(signed))).env.branchName).toBe("gone");
    await environments.updateEnvironment(id, { archived: true });
    await waitFor(async () => (await environments.byId(id))?.archivedAt !== null);
    await expect(auth.environment(bearer(signed))).rejects.toMatchObject({ status: 401 });
  });
});

describe("scopes", () => {
  const run = (id?: string): Resource => ({ type: "runs", id });
  const task = (id?: string): Resource => ({ type: "tasks", id });
  const cases: [string[], Action, Resource[], boolean][] = [
    [["read:runs"], "read", [run("run_1")], true],
    [["read:runs"], "read", [run()], true],
    [["read:runs:run_1"], "read", [run()], false],
    [["read:runs:run_1"], "read", [run("run_1")], true],
    [["read:runs:run_1"], "write", [run("run_1")], false],
    [["read:runs:a:b:c"], "read", [run("a:b:c")], true],
    [["read:runs:a:b"], "read", [run("a")], false],
    [["read:tags:user:1"], "read", [run("run_1"), { type: "tags", id: "user:1" }], true],
    [["read:all"], "read", [run("run_1")], true],
    [["read:all"], "write", [run("run_1")], false],
    [["admin"], "write", [run("run_1")], true],
    [["admin:runs"], "write", [run("run_1")], false],
    [["trigger:tasks:hello"], "trigger", [task("hello")], true],
    [["trigger:tasks:hello"], "trigger", [task("other")], false],
    [["trigger:tasks:hello"], "batchTrigger", [task("hello")], false],
    [["batchTrigger:tasks:hello"], "batchTrigger", [task("hello")], true],
    [["write:tasks"], "trigger", [task("hello")], true],
    [["write:tasks:hello"], "trigger", [task("other")], false],
    [["write:runs"], "trigger", [task("hello")], false],
    [["write:waitpoints:w_1"], "write", [{ type: "waitpoints", id: "w_1" }], true],
    [["read:runs:"], "read", [run("run_1")], false],
    [["", ":", "::", "read", "runs"], "read", [run("run_1")], false],
    [[], "read", [run("run_1")], false],
    [["read:runs"], "read", [], false],
  ];
  it.each(cases)("%j: %s on %j is %s", (scopes, action, resources, allowed) => {
    expect(scopesAllow(scopes, action, resources)).toBe(allowed);
  });
});

describe("lifetimes of public tokens", () => {
  it("are spans or epoch seconds", () => {
    expect(["90s", "15m", "1h", "2 hours", "7d", "1w"].map((text) => tokenLifetimeSeconds(text, 0))).toEqual([
      90, 900, 3_600, 7_200, 604_800, 604_800,
    ]);
    expect(tokenLifetimeSeconds(1_100, 1_000_000)).toBe(100);
    for (const text of ["", "soon", "1", "-1h", "0m", "1y"]) expect(() => tokenLifetimeSeconds(text, 0)).toThrow(/no duration/);
    expect(() => auth.signPublicToken(tenant.dev, { scopes: [], lifetimeSeconds: 31 * 86_400 })).toThrow(/30 days/);
  });
});

describe("personal access tokens", () => {
  it("are shown once, stored as a hash, listed obfuscated, and stop when revoked", async () => {
    const created = await auth.tokens.create({ userId: tenant.userId, name: "laptop" });
    expect(created.token).toMatch(/^tr_pat_[0-9A-Za-z]{40}$/);
    const user = await auth.personalAccessToken(bearer(created.token));
    expect(user).toMatchObject({ userId: tenant.userId, email: tenant.email, organizationIds: tenant.organizationIds, isAdmin: false });
    const { rows } = await services.pool.query("SELECT * FROM personal_access_token WHERE id = $1", [created.id]);
    expect(JSON.stringify(rows[0])).not.toContain(created.token);
    const listed = await auth.tokens.list(tenant.userId);
    expect(listed[0]).toMatchObject({ id: created.id, name: "laptop" });
    expect(listed[0]?.lastUsedAt).toBeInstanceOf(Date);
    expect(created.token).not.toContain(listed[0]?.obfuscated);
    await expect(auth.tokens.revoke({ userId: "someone-else", id: created.id })).rejects.toMatchObject({ status: 404 });
    await auth.tokens.revoke({ userId: tenant.userId, id: created.id });
    await expect(auth.personalAccessToken(bearer(created.token))).rejects.toMatchObject({ status: 401 });
  });

  it("of a disabled user, or of one who left the organization, show nothing", async () => {
    const other = await createTenant(environments);
    const { token: theirs } = await auth.tokens.create({ userId: other.userId, name: "x" });
    await environments.prisma.orgMember.deleteMany({ where: { userId: other.userId } });
    expect((await auth.personalAccessToken(bearer(theirs))).organizationIds).toEqual([]);
    await environments.prisma.userAccount.update({ where: { id: other.userId }, data: { disabledAt: new Date() } });
    await expect(auth.personalAccessToken(bearer(theirs))).rejects.toMatchObject({ status: 401 });
  });
});

describe("CLI login", () => {
  const linkOf = (url: string) => url.split("/").at(-1) ?? "";

  it("hands out one token after approval; the link is not the code", async () => {
    const { url, authorizationCode } = await auth.authorizationCodes.create();
    expect(url).toMatch(/^http:\/\/localhost:3030\//);
    expect(url).not.toContain(authorizationCode);
    expect(await auth.authorizationCodes.exchange(authorizationCode)).toBeNull();
    await expect(auth.authorizationCodes.exchange(linkOf(url))).rejects.toMatchObject({ status: 400 });
    await auth.authorizationCodes.approve({ linkId: linkOf(url), userId: tenant.userId });
    const racing = await Promise.allSettled(Array.from({ length: 5 }, () => auth.authorizationCodes.exchange(authorizationCode)));
    const won = racing.flatMap((each) => (each.status === "fulfilled" && each.value ? [each.value] : []));
    expect(won).toHaveLength(1);
    expect((await auth.personalAccessToken(bearer(won[0]?.token ?? ""))).userId).toBe(tenant.userId);
    await expect(auth.authorizationCodes.exchange(authorizationCode)).rejects.toMatchObject({ status: 400 });
    await expect(auth.authorizationCodes.approve({ linkId: linkOf(url), userId: tenant.userId })).rejects.toMatchObject({ status: 404 });
  });

  it("ends after ten minutes, approved or not, and when denied", async () => {
    const clock = manualClock(Date.now());
    const codes = buildAuth(environments, clock).authorizationCodes;
    const [late, approved, denied] = [await codes.create(), await codes.create(), await codes.create()];
    await codes.deny({ linkId: linkOf(denied.url), userId: tenant.userId });
    await expect(codes.exchange(denied.authorizationCode)).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining("denied"),
    });
    await codes.approve({ linkId: linkOf(approved.url), userId: tenant.userId });
    clock.advance(600_000);
    await expect(codes.approve({ linkId: linkOf(late.url), userId: tenant.userId })).rejects.toMatchObject({ status: 404 });
    for (const code of [late, approved]) await expect(codes.exchange(code.authorizationCode)).rejects.toMatchObject({ status: 400 });
    expect(await codes.describe(linkOf(late.url))).toMatchObject({ state: "expired" });
    expect(await codes.describe("nowhere")).toBeNull();
  });
});

describe("signing in", () => {
  const sessionRequest = (setCookie: string) => request({ cookie: `theme=dark; ${setCookie.split(";")[0]}` });
  const from = (address: string) => request({ "x-sluice-client-address": address }, "POST");

  it("with the password gives a session, until signing out", async () => {
    const outcome = await auth.login({ email: ` ${tenant.email.toUpperCase()} `, password: PASSWORD, request: from("10.0.0.1") });
    if (!outcome.ok) throw new Error(outcome.reason);
    expect(outcome.setCookie).toMatch(/^sluice_session=[0-9A-Za-z]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=1209600$/);
    const signedIn = sessionRequest(outcome.setCookie);
    expect(await auth.session(signedIn)).toMatchObject({ userId: tenant.userId, via: "session", organizationIds: tenant.organizationIds });
    expect(await auth.logout(signedIn)).toContain("Max-Age=0");
    expect(await auth.session(signedIn)).toBeNull();
  });

  it("without a session, or with a made-up one, is nobody", async () => {
    expect(await auth.session(request())).toBeNull();
    expect(await auth.session(request({ cookie: `sluice_session=${"a".repeat(43)}` }))).toBeNull();
    expect(await auth.session(request({ cookie: "sluice_session='; DROP TABLE dashboard_session" }))).toBeNull();
  });

  it("is refused after three wrong passwords, also through another process and at the same time, and for that address only", async () => {
    const other = buildAuth(environments);
    const attempt = (through: Auth, address: string, password = "wrong password") =>
      through.login({ email: tenant.email, password, request: from(address) });
    const racing = await Promise.all(Array.from({ length: 6 }, (_, i) => attempt(i % 2 ? auth : other, "10.0.0.2")));
    expect(racing.filter((outcome) => !outcome.ok && outcome.reason === "wrong_credentials").length).toBeLessThanOrEqual(3);
    expect(await attempt(other, "10.0.0.2", PASSWORD)).toMatchObject({ ok: false, reason: "too_many_attempts" });
    expect(await attempt(auth, "10.0.0.3", PASSWORD)).toMatchObject({ ok: true });
  });

  it("is possible again when the window has ended", async () => {
    const clock = manualClock(Date.now());
    const later = buildAuth(environments, clock);
    const attempt = (password: string) => later.login({ email: tenant.email, password, request: from("10.0.0.4") });
    for (let i = 0; i < 4; i++) await attempt("wrong password");
    expect(await attempt(PASSWORD)).toMatchObject({ reason: "too_many_attempts", retryAfterSeconds: 900 });
    clock.advance(900_001);
    expect(await attempt(PASSWORD)).toMatchObject({ ok: true });
  });

  it("says the same for an unknown e-mail, a NUL in it, and a user without password", async () => {
    const nobody = await createTenant(environments);
    for (const email of ["nobody@example.com", "a\u0000@example.com", nobody.email]) {
      expect(await auth.login({ email, password: "whatever it is", request: from("10.0.0.5") })).toEqual({
        ok: false,
        reason: "wrong_credentials",
      });
    }
  });

  it("with a link works once", async () => {
    const url = new URL(await auth.loginLinks.create(tenant.userId));
    expect(url.pathname).toBe("/login");
    const linkToken = url.searchParams.get("token") ?? "";
    const outcomes = await Promise.all([auth.loginWithLink(linkToken), auth.loginWithLink(linkToken)]);
    expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(1);
    expect(await auth.loginWithLink("made up")).toEqual({ ok: false, reason: "used_or_expired_link" });
  });

  it("with a link that is a day old does not work", async () => {
    const clock = manualClock(Date.now());
    const later = buildAuth(environments, clock);
    const linkToken = new URL(await later.loginLinks.create(tenant.userId)).searchParams.get("token") ?? "";
    clock.advance(86_400_001);
    expect(await later.loginWithLink(linkToken)).toMatchObject({ ok: false });
  });

  it("after a change of password ends every other session", async () => {
    const user = await createTenant(environments);
    await environments.prisma.userAccount.update({ where: { id: user.userId }, data: { passwordHash: await hashPassword(PASSWORD) } });
    const cookie = async () => {
      const outcome = await auth.login({ email: user.email, password: PASSWORD, request: from("10.0.0.6") });
      return outcome.ok ? outcome.setCookie : "";
    };
    const [here, there] = [sessionRequest(await cookie()), sessionRequest(await cookie())];
    const change = (current: string, next: string) => auth.changePassword({ userId: user.userId, current, next, request: here });
    await expect(change("wrong password", "new password")).rejects.toMatchObject({ status: 403 });
    await expect(change(PASSWORD, "short")).rejects.toMatchObject({ status: 400 });
    await change(PASSWORD, "new password");
    expect(await auth.session(here)).not.toBeNull();
    expect(await auth.session(there)).toBeNull();
  });

  it("stores passwords with their parameters, never twice the same", async () => {
    const [a, b] = await Promise.all([hashPassword(PASSWORD), hashPassword(PASSWORD)]);
    expect(a).toMatch(/^scrypt\$32768\$8\$1\$/);
    expect(a).not.toBe(b);
    expect(await verifyPassword(PASSWORD, a)).toBe(true);
    expect(await verifyPassword(`${PASSWORD}x`, a)).toBe(false);
    expect(await verifyPassword(PASSWORD, "nonsense")).toBe(false);
  });
});

describe("forms of other sites", () => {
  const form = (headers: Record<string, string>) => request(headers, "POST");

  it("are refused; our own, and reads, are not", () => {
    expect(() => auth.assertSameOrigin(request({ origin: "https://evil.example" }))).not.toThrow();
    expect(() => auth.assertSameOrigin(form({ origin: ORIGIN }))).not.toThrow();
    expect(() => auth.assertSameOrigin(form({ origin: "http://127.0.0.1:3030", host: "127.0.0.1:3030" }))).not.toThrow();
    expect(() => auth.assertSameOrigin(form({ "sec-fetch-site": "same-origin" }))).not.toThrow();
    for (const headers of [
      { origin: "https://evil.example", host: "localhost:3030" },
      { origin: "null", host: "localhost:3030" },
      { "sec-fetch-site": "cross-site" },
      {},
    ]) {
      expect(() => auth.assertSameOrigin(form(headers as Record<string, string>))).toThrow(/another site/);
    }
  });
});
