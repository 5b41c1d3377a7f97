/** What every page route shares: who is signed in, which environment the URL means, forms, flash, errors as pages. */
import { createHash, timingSafeEqual } from "node:crypto";
import { data, redirect } from "@remix-run/node";
import { SESSION_COOKIE } from "../auth/sessions.server";
import type { UserCaller } from "../auth/types";
import type { ProjectSummary } from "../environments/tenancy/tenancy.server";
import type { EnvironmentView } from "../environments/types";
import { AppError, RetryableError } from "../utils/appError";
import { knownTimeZone } from "../utils/format";
import { getApp, type App } from "../wiring.server";
import { cookieOf } from "./cookies.server";

/** What an error boundary shows. */
export type PageError = { title: string; message: string };
export type Params = Readonly<Record<string, string | undefined>>;
export type PageArgs = { request: Request; params: Params };
/** A page of one environment, seen by one of its members. */
export type EnvironmentPage = { app: App; user: UserCaller; project: ProjectSummary; env: EnvironmentView; base: string; timeZone: string };

/** Forms of pages are small; a body beyond this is not one of ours. Payloads of the Test page are the largest. */
const MAX_FORM_BYTES = 4 * 1024 * 1024;

/** The person signed in; anyone else is sent to sign in and comes back here. */
export async function requireUser(request: Request): Promise<UserCaller> {
  const user = await getApp().auth.session(request);
  if (user) return user;
  const { pathname, search } = pageUrl(request);
  throw redirect(pathname === "/" ? "/login" : `/login?next=${encodeURIComponent(pathname + search)}`);
}

/** Resolves `/orgs/:org/projects/:project/env/:env` for the person signed in. Throws 404 for what they may not see. */
export async function requireEnvironment({ request, params }: PageArgs): Promise<EnvironmentPage> {
  const app = getApp();
  const user = await requireUser(request);
  const { organizationIds } = user;
  const project = await app.environments.tenancy.projectBySlugs(params.org ?? "", params.project ?? "", organizationIds);
  const env = await app.environments.tenancy.environment({ ref: project.ref, slug: params.env ?? "", branch: null, organizationIds });
  const base = environmentPath(project.organization.slug, project.slug, env.slug);
  return { app, user, project, env, base, timeZone: timeZoneOf(request) };
}

/** Path of an environment's pages. */
export function environmentPath(org: string, project: string, env: string): string {
  return `/orgs/${encodeURIComponent(org)}/projects/${encodeURIComponent(project)}/env/${encodeURIComponent(env)}`;
}

/** The reader's zone, from the cookie that the browser sets; UTC on the first visit. */
export function timeZoneOf(request: Request): string {
  return knownTimeZone(cookieOf(request, "sluice_tz"));
}

/** Runs a loader or action and turns expected errors into pages: 4xx with the error's own words, 503 for what passes. */
export async function asPage<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AppError) throw pageError(error.status, error.message, error.headers);
    if (error instanceof RetryableError) throw pageError(503, error.message, { "retry-after": String(error.retryAfterSeconds) });
    throw error;
  }
}

const TITLES: Record<number, string> = { 403: "Refused", 404: "Not found", 503: "Not available right now" };

function pageError(status: number, message: string, headers: Readonly<Record<string, string>>) {
  const body: PageError = { title: TITLES[status] ?? "That did not work", message };
  return data(body, { status, headers: { ...headers } });
}

/** Proves that a form came from a page of this session: derived from the session's secret cookie, so it is never stored. */
export function csrfToken(request: Request): string {
  const session = cookieOf(request, SESSION_COOKIE) ?? "";
  return createHash("sha256").update(`sluice csrf\n${session}`).digest("base64url");
}

/** The fields of a posted form. Throws AppError 403 unless it was sent by a page of ours, 413 when it is too large. */
export async function readForm(request: Request): Promise<FormData> {
  getApp().auth.assertSameOrigin(request);
  const form = await readPlainForm(request);
  const sent = Buffer.from(String(form.get("csrf") ?? ""));
  const expected = Buffer.from(csrfToken(request));
  if (sent.length !== expected.length || !timingSafeEqual(sent, expected)) {
    throw new AppError("invalid_form_token", 403, "This form is from an earlier session. Open the page again and repeat what you did.");
  }
  return form;
}

/** As `readForm` without a session's token: for signing in. */
export async function readOpenForm(request: Request): Promise<FormData> {
  getApp().auth.assertSameOrigin(request);
  return readPlainForm(request);
}

async function readPlainForm(request: Request): Promise<FormData> {
  if (Number(request.headers.get("content-length") ?? 0) > MAX_FORM_BYTES) {
    throw new AppError("form_too_large", 413, `The form is larger than ${MAX_FORM_BYTES} bytes. Send less, or use the API.`);
  }
  try {
    return await request.formData();
  } catch {
    throw new AppError("invalid_form", 400, "The form could not be read. Open the page again and repeat what you did.");
  }
}

/** A field's text; absent and files read as empty. */
export function field(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === "string" ? value : "";
}

/** A path on this server to go back to, or the fallback: never another site's address. */
export function safePath(text: string | null | undefined, fallback: string): string {
  if (!text || !text.startsWith("/") || /^\/[/\\]/.test(text) || [...text].some((char) => char < " ")) return fallback;
  const url = new URL(text, "http://sluice.invalid");
  return url.host === "sluice.invalid" ? url.pathname + url.search + url.hash : fallback;
}

/** The address of the page itself: data requests carry a suffix and parameters of their own. */
export function pageUrl(request: Request): URL {
  const url = new URL(request.url);
  url.pathname = url.pathname === "/_root.data" ? "/" : url.pathname.replace(/\.data$/, "");
  url.searchParams.delete("_routes");
  return url;
}

/** The environment of an event stream, for a member of its organization. Throws AppError 401, or 404 as for one that is not there. */
export async function requireMemberEnvironment(request: Request, envId: string): Promise<EnvironmentView> {
  const app = getApp();
  const user = await app.auth.session(request);
  if (!user) throw new AppError("signed_out", 401, "Sign in first.");
  const env = await app.environments.byId(envId);
  if (!env || !user.organizationIds.includes(env.organization.id))
    throw new AppError("environment_not_found", 404, "There is no such environment.");
  return env;
}
