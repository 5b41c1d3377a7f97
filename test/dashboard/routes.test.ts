import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as runsPage from "../../app/routes/_app.orgs.$org.projects.$project.env.$env.runs._index";
import * as runPage from "../../app/routes/_app.orgs.$org.projects.$project.env.$env.runs.$run";
import * as keysPage from "../../app/routes/_app.orgs.$org.projects.$project.env.$env.keys";
import * as testPage from "../../app/routes/_app.orgs.$org.projects.$project.env.$env.test._index";
import * as tokensPage from "../../app/routes/_app.account.tokens";
import * as approvePage from "../../app/routes/account.authorization-code.$link";
import * as home from "../../app/routes/_index";
import * as login from "../../app/routes/login";
import * as logout from "../../app/routes/logout";
import * as cliRun from "../../app/routes/projects.v3.$ref.runs.$run";
import * as cliRuns from "../../app/routes/projects.v3.$ref.runs._index";
import * as go from "../../app/routes/orgs.$org.projects.$project.env.$env.go";
import * as events from "../../app/routes/resources.envs.$env.events";
import * as rowsRoute from "../../app/routes/resources.envs.$env.rows";
import * as theme from "../../app/routes/resources.theme";
import type { RunListView } from "../../app/presenters/runs/runList.server";
import type { EnvironmentCard } from "../../app/presenters/keys.server";
import type { RunView } from "../../app/presenters/views";
import { signIn, startDashboard, type Answer, type Browser, type Dashboard } from "./app";

let dashboard: Dashboard;
let browser: Browser;
const params = { org: "my-organization", project: "my-project", env: "dev" };
const BASE = "/orgs/my-organization/projects/my-project/env/dev";

beforeAll(async () => {
  dashboard = await startDashboard();
  browser = await signIn(dashboard);
});
afterAll(() => dashboard.close());

const message = (answer: Answer) => (answer.data as { message: string }).message;
const location = (answer: Answer) => answer.headers.get("location");

async function triggered(task: string, payload = '{"name":"Ada"}'): Promise<string> {
  const answer = await browser.post(testPage.action, `${BASE}/test`, { params, fields: { intent: "trigger", task, payload } });
  expect(answer.status).toBe(302);
  return location(answer)?.split("/").at(-1) ?? "";
}

describe("signing in", () => {
  it("sends a stranger to sign in and back to the page", async () => {
    const answer = await dashboard.browser().get(runsPage.loader, `${BASE}/runs?status=FAILED`, params);
    expect([answer.status, location(answer)]).toEqual([302, `/login?next=${encodeURIComponent(`${BASE}/runs?status=FAILED`)}`]);
  });

  it("refuses a wrong password in words, and never goes to another site", async () => {
    const wrong = await dashboard
      .browser()
      .post(login.action, "/login", { fields: { csrf: null, email: "admin@sluice.local", password: "no" } });
    expect(wrong).toMatchObject({ status: 400, data: { problem: { title: "Email or password is wrong." } } });
    const elsewhere = await browser.get(login.loader, "/login?next=//evil.example/x");
    expect(location(elsewhere)).toBe(`${BASE}/runs`);
  });

  it("uses a one-time link once, in a form", async () => {
    const user = await dashboard.app.environments.prisma.userAccount.findFirstOrThrow();
    const link = new URL(await dashboard.app.auth.loginLinks.create(user.id));
    const token = link.searchParams.get("token") ?? "";
    const guest = dashboard.browser();
    expect(await guest.get(login.loader, link.pathname + link.search)).toMatchObject({ status: 200, data: { token } });
    const first = await guest.post(login.action, "/login", { fields: { csrf: null, token, next: "/account/tokens" } });
    expect([first.status, location(first)]).toEqual([302, "/account/tokens"]);
    const second = await dashboard.browser().post(login.action, "/login", { fields: { csrf: null, token } });
    expect(second.status).toBe(400);
  });

  it("signs out for good", async () => {
    const guest = await signIn(dashboard);
    const cookies = new Map(guest.cookies);
    expect(location(await guest.post(logout.action, "/logout", { fields: {} }))).toBe("/login");
    for (const [name, value] of cookies) guest.cookies.set(name, value);
    expect(location(await guest.get(home.loader, "/"))).toBe("/login");
  });
});

describe("forms", () => {
  it("are refused from another site, and without or with another session's token", async () => {
    const fields = { intent: "create", name: "stolen" };
    const before = (await browser.get(tokensPage.loader, "/account/tokens")).data;
    const foreign = await browser.post(tokensPage.action, "/account/tokens", { fields, headers: { origin: "https://evil.example" } });
    const without = await browser.post(tokensPage.action, "/account/tokens", { fields: { ...fields, csrf: null } });
    const other = await browser.post(tokensPage.action, "/account/tokens", { fields: { ...fields, csrf: "x".repeat(43) } });
    expect([foreign.status, without.status, other.status]).toEqual([403, 403, 403]);
    expect(message(without)).toContain("earlier session");
    expect((await browser.get(tokensPage.loader, "/account/tokens")).data).toMatchObject({
      tokens: (before as { tokens: unknown[] }).tokens,
    });
  });

  it("are refused for an action that the page does not have", async () => {
    const answer = await browser.post(tokensPage.action, "/account/tokens", { fields: { intent: "destroy" } });
    expect([answer.status, message(answer)]).toEqual([400, 'This page has no action "destroy". Open the page again.']);
  });
});

describe("what one may not see", () => {
  it("does not exist: projects, environments, runs and streams of others", async () => {
    const elsewhere = await browser.get(runsPage.loader, "/orgs/other/projects/x/env/dev/runs", { org: "other", project: "x", env: "dev" });
    const noEnv = await browser.get(runsPage.loader, `${BASE}x/runs`, { ...params, env: "nightly" });
    const noRun = await browser.get(runPage.loader, `${BASE}/runs/run_x`, { ...params, run: "run_c1k7upmko0il2c17nrf62829p" });
    expect([elsewhere.status, noEnv.status, noRun.status]).toEqual([404, 404, 404]);
    expect(message(noRun)).toContain("There is no run run_c1k7upmko0il2c17nrf62829p in dev");
    await expect(browser.get(events.loader, "/resources/envs/x/events", { env: "x" })).rejects.toMatchObject({ status: 404 });
    await expect(dashboard.browser().get(events.loader, "/resources/envs/x/events", { env: "x" })).rejects.toMatchObject({ status: 401 });
  });

  it("includes the data of a member of another organization", async () => {
    const stranger = await dashboard.app.environments.prisma.userAccount.create({
      data: { id: "c000000000stranger0000000", email: "s@example.com" },
    });
    const link = new URL(await dashboard.app.auth.loginLinks.create(stranger.id));
    const guest = dashboard.browser();
    await guest.post(login.action, "/login", { fields: { csrf: null, token: link.searchParams.get("token") } });
    const env = await dashboard.app.environments.prisma.environment.findFirstOrThrow({ where: { slug: "dev" } });
    expect((await guest.get(runsPage.loader, `${BASE}/runs`, params)).status).toBe(404);
    expect((await guest.get(keysPage.loader, `${BASE}/keys`, params)).status).toBe(404);
    await expect(guest.get(rowsRoute.loader, "/resources/envs/x/rows", { env: env.id })).rejects.toMatchObject({ status: 404 });
    expect(location(await guest.get(home.loader, "/"))).toBe("/account/tokens");
  });
});

describe("runs", () => {
  it("start with what to do first, then are a list that says why they wait", async () => {
    const before = (await browser.get(runsPage.loader, `${BASE}/runs`, params)).data as { view: RunListView };
    expect(before.view.firstRun).toMatchObject({ connected: false, tasks: [], testHref: `${BASE}/test` });
    const id = await triggered("hello-world");
    const { view } = (await browser.get(runsPage.loader, `${BASE}/runs`, params)).data as { view: RunListView };
    expect(view.firstRun).toBeNull();
    expect(view.rows[0]).toMatchObject({ friendlyId: id, task: "hello-world", final: false, href: `${BASE}/runs/${id}` });
    expect(view.rows[0]?.note).toEqual(["No dev worker is connected"]);
  });

  it("are filtered by the URL, and a filter that cannot match is an empty list", async () => {
    const list = async (search: string) =>
      ((await browser.get(runsPage.loader, `${BASE}/runs?${search}`, params)).data as { view: RunListView }).view;
    expect((await list("task=hello-world")).rows).not.toHaveLength(0);
    const empty = await list("task=nothing");
    expect([empty.rows.length, empty.firstRun, empty.filters.active]).toEqual([0, null, true]);
    expect((await list("version=20200101.1")).rows).toEqual([]);
    expect((await browser.get(runsPage.loader, `${BASE}/runs?status=NOPE`, params)).status).toBe(400);
    expect((await browser.get(runsPage.loader, `${BASE}/runs?after=zzz`, params)).status).toBe(400);
  });

  it("page by key, newest first, without losing or repeating one", async () => {
    for (let i = 0; i < 30; i++) await triggered("paged", `{"i":${i}}`);
    const page = async (href: string) => ((await browser.get(runsPage.loader, href, params)).data as { view: RunListView }).view;
    const first = await page(`${BASE}/runs?task=paged`);
    expect([first.rows.length, first.newerHref]).toEqual([25, null]);
    const second = await page(first.olderHref ?? "");
    expect([second.rows.length, second.olderHref]).toEqual([5, null]);
    expect(new Set([...first.rows, ...second.rows].map((row) => row.id)).size).toBe(30);
    expect((await page(second.newerHref ?? "")).rows.map((row) => row.id)).toEqual(first.rows.map((row) => row.id));
  });

  it("have a page with payload, reason and lifecycle, and can be canceled and replayed from it", async () => {
    const id = await triggered("hello-world", '{"name":"Grace"}');
    const show = async (run: string) =>
      ((await browser.get(runPage.loader, `${BASE}/runs/${run}`, { ...params, run })).data as { run: RunView }).run;
    const run = await show(id);
    expect(run).toMatchObject({
      status: "QUEUED",
      cancelable: true,
      triggeredBy: "Triggered from the dashboard",
      wait: { title: "No dev worker is connected" },
    });
    expect(run.payload).toMatchObject({ kind: "json", text: '{\n  "name": "Grace"\n}' });
    expect(run.lifecycle.map((entry) => entry.title)).toEqual(["Queued", "Completes or fails"]);
    const path = `${BASE}/runs/${id}`;
    expect(location(await browser.post(runPage.action, path, { params: { ...params, run: id }, fields: { intent: "cancel" } }))).toBe(path);
    expect(await show(id)).toMatchObject({ status: "CANCELED", cancelable: false, wait: null, error: null });
    const replay = await browser.post(runPage.action, path, { params: { ...params, run: id }, fields: { intent: "replay" } });
    const copy = await show(location(replay)?.split("/").at(-1) ?? "");
    expect(copy).toMatchObject({ status: "QUEUED", triggeredBy: "Replayed", payload: run.payload });
  });

  it("refuse a payload that is not JSON, and keep what was typed", async () => {
    const fields = { intent: "trigger", task: "hello-world", payload: "{ oops" };
    const answer = await browser.post(testPage.action, `${BASE}/test`, { params, fields });
    expect(answer).toMatchObject({ status: 400, data: { about: "payload", task: "hello-world", payload: "{ oops" } });
  });

  it("tell open pages of a change", async () => {
    const env = await dashboard.app.environments.prisma.environment.findFirstOrThrow({ where: { slug: "dev" } });
    const leave = new AbortController();
    const answer = await browser.get(events.loader, `/resources/envs/${env.id}/events`, { env: env.id }, leave.signal);
    const reader = (answer.data as Response).body?.pipeThrough(new TextDecoderStream()).getReader();
    await triggered("hello-world");
    let heard = "";
    while (!heard.includes("event: change")) heard += (await reader?.read())?.value ?? "";
    expect(heard).toContain("retry: 1000");
    leave.abort();
    while (!(await reader?.read())?.done) continue;
  });
});

describe("links", () => {
  it("that the CLI prints lead to the run and the list of the right environment", async () => {
    const { ref } = await project();
    const id = await triggered("hello-world");
    expect(location(await browser.get(cliRun.loader, `/projects/v3/${ref}/runs/${id}`, { ref, run: id }))).toBe(`${BASE}/runs/${id}`);
    expect(location(await browser.get(cliRuns.loader, `/projects/v3/${ref}/runs?envSlug=prod`, { ref }))).toBe(
      `${BASE.replace(/dev$/, "prod")}/runs`
    );
    const unknown = await browser.get(cliRuns.loader, "/projects/v3/proj_none/runs", { ref: "proj_none" });
    expect(location(unknown)).toBe("/");
    expect(decodeURIComponent(browser.cookies.get("sluice_flash") ?? "")).toContain("This link leads nowhere.");
  });

  it("of the go-to field understand runs, versions and tasks", async () => {
    const id = await triggered("hello-world");
    const goTo = async (q: string) => location(await browser.get(go.loader, `${BASE}/go?q=${encodeURIComponent(q)}`, params));
    expect(await goTo(id)).toBe(`${BASE}/runs/${id}`);
    expect(await goTo("20261121.3")).toBe(`${BASE}/runs?version=20261121.3`);
    expect(await goTo("hello-world")).toBe(`${BASE}/runs?task=hello-world`);
    expect(await goTo(" ")).toBe(`${BASE}/runs`);
  });

  async function project() {
    const { externalRef } = await dashboard.app.environments.prisma.project.findFirstOrThrow();
    return { ref: externalRef };
  }
});

describe("settings", () => {
  it("rotate a key with a grace, change a limit, pause and resume", async () => {
    const cards = async () => ((await browser.get(keysPage.loader, `${BASE}/keys`, params)).data as { cards: EnvironmentCard[] }).cards;
    const staging = async () => (await cards()).find((card) => card.slug === "staging");
    const before = await staging();
    const change = (fields: Record<string, string>) =>
      browser.post(keysPage.action, `${BASE}/keys`, { params, fields: { env: before?.id ?? "", ...fields } });
    const changes: Record<string, string>[] = [
      { intent: "rotate", graceHours: "1" },
      { intent: "set-limit", limit: "7" },
      { intent: "pause" },
    ];
    for (const fields of changes) {
      expect((await change(fields)).status).toBe(302);
    }
    await expect.poll(staging).toMatchObject({ limit: 7, pausedAt: expect.any(Number), graceUntil: [expect.any(Number)] });
    expect((await staging())?.secretKey).not.toBe(before?.secretKey);
    await change({ intent: "resume" });
    await expect.poll(async () => (await staging())?.pausedAt).toBeNull();
    await change({ intent: "set-limit", limit: "many" });
    expect(decodeURIComponent(browser.cookies.get("sluice_flash") ?? "")).toContain("Nothing was changed.");
  });

  it("show a new token once and revoke it", async () => {
    const created = await browser.post(tokensPage.action, "/account/tokens", { fields: { intent: "create", name: "laptop" } });
    expect(created.data).toMatchObject({ token: expect.stringMatching(/^tr_pat_/), error: null });
    const list = async () =>
      ((await browser.get(tokensPage.loader, "/account/tokens")).data as { tokens: { id: string; name: string }[] }).tokens;
    expect(JSON.stringify(await list())).not.toContain((created.data as { token: string }).token);
    const laptop = (await list()).find((token) => token.name === "laptop");
    await browser.post(tokensPage.action, "/account/tokens", { fields: { intent: "revoke", id: laptop?.id ?? "" } });
    expect((await list()).some((token) => token.name === "laptop")).toBe(false);
    expect((await browser.post(tokensPage.action, "/account/tokens", { fields: { intent: "create", name: " " } })).status).toBe(400);
  });

  it("change the theme and go back only to this server", async () => {
    const answer = await browser.post(theme.action, "/resources/theme", { fields: { back: "https://evil.example/" } });
    expect([location(answer), browser.cookies.get("sluice_theme")]).toEqual(["/", "dark"]);
  });
});

describe("the CLI's login", () => {
  it("is approved once, by a link that is not the code", async () => {
    const { authorizationCodes } = dashboard.app.auth;
    const asked = await authorizationCodes.create();
    const link = asked.url.split("/").at(-1) ?? "";
    const url = `/account/authorization-code/${link}`;
    expect(asked.url).not.toContain(asked.authorizationCode);
    expect((await browser.get(approvePage.loader, url, { link })).data).toMatchObject({ state: "pending", email: "admin@sluice.local" });
    expect(await authorizationCodes.exchange(asked.authorizationCode)).toBeNull();
    const approve = () => browser.post(approvePage.action, url, { params: { link }, fields: { intent: "approve" } });
    expect((await approve()).data).toEqual({ decided: "approve" });
    expect((await approve()).status).toBe(404);
    expect(await authorizationCodes.exchange(asked.authorizationCode)).toMatchObject({ token: expect.stringMatching(/^tr_pat_/) });
  });

  it("can be denied, and an unknown link says what to do", async () => {
    const asked = await dashboard.app.auth.authorizationCodes.create();
    const link = asked.url.split("/").at(-1) ?? "";
    await browser.post(approvePage.action, "/x", { params: { link }, fields: { intent: "deny" } });
    await expect(dashboard.app.auth.authorizationCodes.exchange(asked.authorizationCode)).rejects.toMatchObject({ status: 400 });
    expect((await browser.get(approvePage.loader, "/x", { link: "nope" })).status).toBe(404);
  });
});
