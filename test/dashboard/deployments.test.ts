import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as detailPage from "../../app/routes/_app.orgs.$org.projects.$project.env.$env.deployments.$code._index";
import * as progressPage from "../../app/routes/_app.orgs.$org.projects.$project.env.$env.deployments.$code.progress";
import * as promotePage from "../../app/routes/_app.orgs.$org.projects.$project.env.$env.deployments.$code.promote";
import * as rollbackPage from "../../app/routes/_app.orgs.$org.projects.$project.env.$env.deployments.$code.rollback";
import * as listPage from "../../app/routes/_app.orgs.$org.projects.$project.env.$env.deployments._index";
import * as cliDeployment from "../../app/routes/projects.v3.$ref.deployments.$code";
import * as cliTest from "../../app/routes/projects.v3.$ref.test._index";
import * as go from "../../app/routes/orgs.$org.projects.$project.env.$env.go";
import * as events from "../../app/routes/resources.envs.$env.deployments.$code.events";
import * as listEvents from "../../app/routes/resources.envs.$env.deployments.events";
import * as log from "../../app/routes/resources.envs.$env.deployments.$code.log";
import type { EnvironmentView } from "../../app/environments/types";
import type { ActionView, ChangeView, DeploymentListView, DeploymentView } from "../../app/presenters/deployments/views";
import { parseDeploymentsQuery } from "../../app/presenters/deployments/list/filters";
import { presentDeploymentList } from "../../app/presenters/deployments/list/list.server";
import { DeploymentFactory, type MadeDeployment } from "../deploymentFactory";
import { countReads } from "../deployments/countReads";
import { seedDeployments } from "../deployments/seedDeployments";
import { signIn, startDashboard, type Answer, type Browser, type Dashboard } from "./app";

let dashboard: Dashboard;
let browser: Browser;
let prod: EnvironmentView;
let staging: EnvironmentView;
const paramsOf = (env: string) => ({ org: "my-organization", project: "my-project", env });
const baseOf = (env: string) => `/orgs/my-organization/projects/my-project/env/${env}`;
const BASE = baseOf("prod");
const message = (answer: Answer) => (answer.data as { message: string }).message;
const location = (answer: Answer) => answer.headers.get("location");
const flash = () => decodeURIComponent(browser.cookies.get("sluice_flash") ?? "");

beforeAll(async () => {
  dashboard = await startDashboard();
  browser = await signIn(dashboard);
  prod = await environment("prod");
  staging = await environment("staging");
});
afterAll(() => dashboard.close());

async function environment(slug: string): Promise<EnvironmentView> {
  const { externalRef } = await dashboard.app.environments.prisma.project.findFirstOrThrow();
  const view = await dashboard.app.environments.bySlug(externalRef, slug, null);
  if (!view) throw new Error(`There is no ${slug}.`);
  return view;
}
const factoryOf = (env: EnvironmentView) => new DeploymentFactory(dashboard.app.deployments.pool, env);
async function list(search = "", env = "prod"): Promise<DeploymentListView> {
  const answer = await browser.get(listPage.loader, `${baseOf(env)}/deployments${search}`, paramsOf(env));
  expect(answer.status).toBe(200);
  return (answer.data as { view: DeploymentListView }).view;
}
async function show(made: MadeDeployment, env = "prod"): Promise<DeploymentView> {
  const page = made.shortCode;
  const answer = await browser.get(progressPage.loader, `${baseOf(env)}/deployments/${page}/progress`, { ...paramsOf(env), code: page });
  expect(answer.status).toBe(200);
  return (answer.data as { view: DeploymentView }).view;
}
const reasonOf = (actions: readonly ActionView[], name: string) => actions.find((action) => action.name === name)?.reason;

describe("the list", () => {
  it("says what to type before anything is deployed", async () => {
    const view = await list("", "staging");
    expect([view.rows, view.first?.command]).toEqual([[], "npx trigger.dev@4.8.3 deploy --env staging"]);
    const { first } = await list("", "dev");
    expect(first).toEqual({
      sentence: "dev runs the code on your machine, so nothing is deployed to it.",
      command: "npx trigger.dev@4.8.3 dev",
    });
    expect((await list("?status=failed", "staging")).first).toBeNull();
  });

  it("pages by key without losing or repeating one, filters, and jumps to a version", async () => {
    const factory = factoryOf(staging);
    const made: MadeDeployment[] = [];
    for (let n = 1; n <= 45; n++) {
      const phase = n % 9 === 0 ? "failed" : "stopped";
      made.push(
        await factory.make({
          version: `20261101.${n}`,
          phase,
          failedStep: "building",
          branch: n % 2 ? "main" : "pdf-v2",
          triggeredVia: n === 7 ? "cli:github_actions" : "cli:manual",
        })
      );
    }
    const first = await list("", "staging");
    expect([first.rows.length, first.rows[0]?.version, first.newerHref]).toEqual([20, "20261101.45", null]);
    const page = async (href: string | null) => list(href?.slice(href.indexOf("?")) ?? "", "staging");
    const second = await page(first.olderHref);
    const third = await page(second.olderHref);
    expect([third.rows.length, third.olderHref]).toEqual([5, null]);
    const all = [...first.rows, ...second.rows, ...third.rows].map((row) => row.version);
    expect(all).toEqual([...made].reverse().map((row) => row.version));
    expect((await page(third.newerHref)).rows.map((row) => row.id)).toEqual(second.rows.map((row) => row.id));

    const jump = await list("?version=20261101.9", "staging");
    expect([jump.rows[0]?.version, jump.rows[0]?.wanted, jump.rows.length, jump.olderHref]).toEqual(["20261101.9", true, 9, null]);
    expect((await page(jump.newerHref)).rows.at(-1)?.version).toBe("20261101.10");
    expect((await list("?version=20261101.45", "staging")).newerHref).toBeNull();

    expect((await list("?status=failed", "staging")).rows.map((row) => row.version)).toEqual(
      ["45", "36", "27", "18", "9"].map((n) => `20261101.${n}`)
    );
    expect((await list("?status=failed&branch=main", "staging")).rows).toHaveLength(3);
    expect((await list("?from=github-actions", "staging")).rows.map((row) => row.version)).toEqual(["20261101.7"]);
    expect((await list("?from=ci", "staging")).rows).toEqual([]);
    const names = (await list("", "staging")).filters.adders.map((adder) => [adder.name, adder.options.length]);
    expect(names).toEqual([
      ["status", 14],
      ["branch", 2],
      ["from", 6],
    ]);
  });

  it("refuses a query that it cannot read, in words", async () => {
    const refused = async (search: string) => {
      const answer = await browser.get(listPage.loader, `${BASE}/deployments${search}`, paramsOf("prod"));
      return [answer.status, message(answer)];
    };
    expect(await refused("?status=nope")).toEqual([400, expect.stringContaining("There is no status nope. Use one of queued,")]);
    expect(await refused("?after=zzz")).toEqual([400, expect.stringContaining("zzz is not a deployment id")]);
    expect(await refused("?version=20200101.1")).toEqual([404, "There is no deployment 20200101.1 in prod."]);
  });

  it("says of each what it is now, and marks the current one", async () => {
    const factory = factoryOf(prod);
    const day = 86_400_000;
    const at = (ms: number) => new Date(Date.now() - ms);
    const old = await factory.make({ version: "20261119.1", phase: "stopped", createdAt: at(3 * day) });
    const kept = await factory.make({ version: "20261120.1", createdAt: at(2 * day), regions: { local: 2 }, tasks: ["a", "b"] });
    await factory.make({
      version: "20261120.2",
      phase: "failed",
      failedStep: "building",
      error: "\u001b[31mA task file\u001b[0m failed to import\n  at x",
      createdAt: at(day),
    });
    await factory.make({ version: "20261120.3", phase: "cancelled", failedStep: "building", createdAt: at(day - 1_000) });
    await factory.make({
      version: "20261120.4",
      phase: "superseded",
      failedStep: "queued",
      canceledReason: "Superseded by newer deployment 20261120.5",
      createdAt: at(day - 2_000),
    });
    await factory.make({
      version: "20261120.5",
      phase: "failed",
      timedOut: true,
      failedStep: "deploying",
      error: "Only 1 of 2 regions became healthy",
      createdAt: at(day - 3_000),
    });
    const left = await factory.make({ version: "20261121.1", createdAt: at(60_000), skipPromotion: true });
    await factory.make({ version: "20261121.2", phase: "building", createdAt: at(2_000) });
    await factory.point(old, { at: at(3 * day) });
    await factory.point(kept, { at: at(2 * day) });
    await factory.point(left, { at: at(40_000), kind: "promote" });
    await factory.point(kept, { at: at(20_000), kind: "rollback", rolledBack: true });
    const view = await list();
    const notes = Object.fromEntries(view.rows.map((row) => [row.version, [row.status, row.note.join("")]]));
    expect(notes).toEqual({
      "20261121.2": ["building", "Building usually takes 18.0 s"],
      "20261121.1": ["ready", expect.stringMatching(/^Rolled back at [\d:]+, still warm$/)],
      "20261120.5": ["timed_out", "Deploying: Only 1 of 2 regions became healthy"],
      "20261120.4": ["superseded", "Superseded by newer deployment 20261120.5"],
      "20261120.3": ["cancelled", "Cancelled by user, during Building"],
      "20261120.2": ["failed", "Building: A task file failed to import"],
      "20261120.1": ["ready", expect.stringMatching(/^Serves every new run since /)],
      "20261119.1": ["stopped", "Was current for 1 d"],
    });
    const current = view.rows.find((row) => row.current);
    expect(current).toMatchObject({ version: "20261120.1", tasks: 2, regions: "local 0/2" });
    expect(view.rows[0]?.href).toBe(`${BASE}/deployments/${view.rows[0]?.shortCode}/progress`);
    expect(view.rows[5]?.bar.map((part) => part.tone)).toEqual(["queue", "run", "fail"]);
    expect(view.rolledBack).toMatchObject({ current: "20261120.1", from: { version: "20261121.1" }, by: "the deployment itself" });
  });

  it("106: offers every action, and says why one cannot be done now", async () => {
    const { rows } = await list();
    const of = (version: string) => rows.find((row) => row.version === version)?.actions ?? [];
    expect(of("20261120.1").map((action) => action.name)).toEqual(["confirm", "rollback", "redeploy", "wake", "stop", "cancel"]);
    expect(reasonOf(of("20261120.1"), "stop")).toBe("The current deployment cannot be stopped.");
    expect(reasonOf(of("20261120.1"), "rollback")).toBe("Deployment is already the current deployment.");
    expect(reasonOf(of("20261121.1"), "promote")).toBeNull();
    expect(reasonOf(of("20261121.1"), "rollback")).toBe("Cannot rollback to a deployment that is newer than the current deployment.");
    expect(reasonOf(of("20261119.1"), "promote")).toBe("Cannot promote a deployment that is older than the current deployment.");
    expect(reasonOf(of("20261119.1"), "rollback")).toBeNull();
    expect(reasonOf(of("20261119.1"), "stop")).toBe("The deployment is stopped already.");
    expect(reasonOf(of("20261119.1"), "wake")).toBeNull();
    expect(reasonOf(of("20261120.2"), "promote")).toBe("Deployment is not associated with a worker and cannot be promoted.");
    expect(reasonOf(of("20261120.2"), "redeploy")).toBe("The build artifact of this deployment is no longer available.");
    expect(reasonOf(of("20261121.2"), "cancel")).toBeNull();
    expect(reasonOf(of("20261120.3"), "cancel")).toBe("The deployment has ended already.");
  });

  it("108: a page of 1,000 deployments takes as many statements, and reads as few rows, as one of 40", async () => {
    const { pool } = dashboard.app.deployments;
    await seedDeployments(pool, staging.id, { count: 1_000 });
    const reading = countReads(pool);
    const app = { deployments: { ...dashboard.app.deployments, pool: reading.pool }, clock: dashboard.app.clock };
    const query = parseDeploymentsQuery(new URLSearchParams());
    const view = await presentDeploymentList(app, { env: staging, base: baseOf("staging"), query, timeZone: "UTC" });
    expect(view.rows).toHaveLength(20);
    expect(view.olderHref).not.toBeNull();
    expect(reading.statements).toBeLessThanOrEqual(5);
    // The names of branches are those of the newest 200; nothing else looks further than a page.
    expect(await reading.mostRowsScanned("deployment")).toBeLessThanOrEqual(200);
    expect(await reading.mostRowsScanned("deployment_step")).toBeLessThanOrEqual(6 * 21);
  });
});

describe("a deployment on its way", () => {
  it("has six rows, the open one with its log, its usual duration, regions and instances", async () => {
    const factory = factoryOf(prod);
    const made = await factory.make({ version: "20261122.1", phase: "deploying", tasks: ["a", "b", "c"], regions: { eu: 2, us: 2 } });
    await factory.log(made, "building", [["warn", "slow"], "\u001b[32mdone\u001b[39m"]);
    await factory.log(made, null, ["without a phase"]);
    await factory.log(made, "deploying", ["Starting replicas."]);
    const eu = await factory.agent("eu", "eu-1");
    await factory.instance(made, eu, { region: "eu", runner: "r-1", state: "running", message: "Parked, waiting for a run" });
    await factory.instance(made, eu, { region: "eu", runner: "r-2", state: "running" });
    const view = await show(made);
    expect(view.phases.map((row) => [row.step, row.state])).toEqual([
      ["queued", "completed"],
      ["starting", "completed"],
      ["building", "completed"],
      ["deploying", "active"],
      ["network", "pending"],
      ["finalizing", "pending"],
    ]);
    const texts = view.phases.map((row) => row.text);
    expect(texts.slice(1)).toEqual([
      "1 region, 1 replica",
      "3 tasks indexed, release of 36.4 MB stored. 1 warning in 3 lines",
      expect.stringContaining("1 of 2 regions is healthy, 2 are required"),
      "Waits for Deploying",
      "Will become ready, not current: rolled back to 20261120.1",
    ]);
    expect(view.phases[2]?.log?.lines.map((line) => [line.seq, line.level])).toEqual([
      [1, "warn"],
      [2, "info"],
      [3, "info"],
    ]);
    expect(view.phases[3]).toMatchObject({ usuallyMs: 7_000, log: { total: 1 } });
    expect(view.regions).toEqual([
      { region: "eu", state: "healthy", running: 2, desired: 2, note: "Agent eu-1, isolation L2. Parked, waiting for a run" },
      { region: "us", state: "silent", running: 0, desired: 2, note: "No agent of this region reports" },
    ]);
    expect(view.instances.map((instance) => [instance.name, instance.state])).toEqual([
      ["eu-1/r-1", "running"],
      ["eu-1/r-2", "running"],
    ]);
    expect(view).toMatchObject({ terminal: false, readyHref: null, announce: expect.stringMatching(/^Deploying: 1 of 2/) });
    expect(view.aside.facts.map((fact) => fact.name)).toEqual(["Replaces", "Tasks", "Added", "Removed", "Promotion"]);
  });

  it("is shown by its progress page until it has ended, then by its record", async () => {
    const factory = factoryOf(prod);
    const open = await factory.make({ version: "20261122.2", phase: "starting" });
    const done = await factory.make({ version: "20261122.3" });
    const at = (made: MadeDeployment) => ({ ...paramsOf("prod"), code: made.shortCode });
    const early = await browser.get(detailPage.loader, `${BASE}/deployments/x`, at(open));
    expect([early.status, location(early)]).toEqual([302, `${BASE}/deployments/${open.shortCode}/progress`]);
    const document = new Request(`http://localhost:3030${BASE}/deployments/x/progress`, {
      headers: { ...cookies(), accept: "text/html,*/*" },
    });
    const opened = await progressPage
      .loader({ request: document, params: at(done), context: {} })
      .catch((thrown: unknown) => thrown as Response);
    expect([(opened as Response).status, (opened as Response).headers.get("location")]).toEqual([
      302,
      `${BASE}/deployments/${done.shortCode}`,
    ]);
    expect((await show(done)).readyHref).toBe(`${BASE}/deployments/${done.shortCode}`);
  });

  const cookies = () => ({ cookie: [...browser.cookies].map(([name, value]) => `${name}=${value}`).join("; ") });

  it("tells its open page of a line, a step and a promotion", async () => {
    const made = await factoryOf(prod).make({ version: "20261122.4", phase: "building" });
    const leave = new AbortController();
    const params = { env: prod.id, code: made.shortCode };
    const answer = await browser.get(events.loader, `/resources/envs/${prod.id}/deployments/x/events`, params, leave.signal);
    const reader = (answer.data as Response).body?.pipeThrough(new TextDecoderStream()).getReader();
    await factoryOf(prod).log(made, "building", ["hello"]);
    let heard = "";
    while (!heard.includes("event: change")) heard += (await reader?.read())?.value ?? "";
    leave.abort();
    while (!(await reader?.read())?.done) continue;
  });

  it("can be canceled from its page, once", async () => {
    const made = await factoryOf(prod).make({ version: "20261122.5", phase: "building" });
    const act = () =>
      browser.post(detailPage.action, `${BASE}/deployments/x`, {
        params: { ...paramsOf("prod"), code: made.shortCode },
        fields: { intent: "cancel" },
      });
    expect(location(await act())).toBe(`${BASE}/deployments/${made.shortCode}`);
    expect(flash()).toContain("20261122.5 is canceled.");
    const view = await show(made);
    expect([view.status, view.phases.map((row) => row.state)]).toEqual([
      "cancelled",
      ["completed", "completed", "error", "skipped", "skipped", "skipped"],
    ]);
    expect(view.phases[2]).toMatchObject({ interrupted: true, text: "Canceled by admin@sluice.local" });
    await act();
    expect(flash()).toContain("already in a final state");
  });
});

describe("a failed deployment", () => {
  it("says where, why and next, and that nothing changed for the runs", async () => {
    const made = await factoryOf(prod).make({
      ...{ version: "20261123.1", phase: "failed", failedStep: "building", code: "build_failed" },
      error: "Error: ALERTS_WEBHOOK_URL is not set\n    at requireEnv (src/lib/env.ts:12:11)",
      stack: "Error: ALERTS_WEBHOOK_URL is not set\n    at requireEnv (node_modules/x/index.js:1:1)\n    at src/lib/env.ts:12:11",
      stderr: "index failed",
    });
    const view = await show(made);
    expect(view.failure).toMatchObject({
      title: "Error: ALERTS_WEBHOOK_URL is not set",
      where: [{ code: "src/lib/env.ts:12:11" }],
      step: "building",
    });
    expect(view.failure?.next).toContainEqual({ code: "ALERTS_WEBHOOK_URL" });
    expect(view.failure?.full).toContain("stderr:\nindex failed");
    expect(view.outcome).toMatchObject({
      kind: "ok",
      title: ["Nothing changed for your runs. ", { code: "20261120.1" }, " is still current."],
    });
    expect(view.phases.slice(3).map((row) => row.text)).toEqual(["Skipped. No instance was started", "Skipped", "Skipped"]);
    expect(view.aside.title).toBe("Serving now");
  });

  it("gives its log in ranges and as a file, without terminal colours", async () => {
    const factory = factoryOf(prod);
    const made = await factory.make({ version: "20261123.2", phase: "failed", failedStep: "building" });
    await factory.log(
      made,
      "building",
      Array.from({ length: 700 }, (_, i) => `\u001b[31mline ${i + 1}\u001b[0m`)
    );
    const tail = (await show(made)).phases[2]?.log;
    expect([tail?.total, tail?.lines.length, tail?.lines[0]?.seq, tail?.firstSeq]).toEqual([700, 500, 201, 1]);
    const params = { env: prod.id, code: made.shortCode };
    const get = async (search: string) => (await browser.get(log.loader, `/resources/x/log${search}`, params)).data as Response;
    const range = (await (await get("?step=building&after=0&before=201")).json()) as { lines: { seq: number }[]; more: boolean };
    expect([range.lines.length, range.lines.at(-1)?.seq, range.more]).toEqual([200, 200, false]);
    const file = await get("?format=text");
    expect(file.headers.get("content-disposition")).toBe('attachment; filename="deployment-20261123.2.log"');
    const text = await file.text();
    expect(text.split("\n")).toHaveLength(701);
    expect(text).toMatch(/^ {5}1 {2}20\S+Z {2}Building {4}info {3}line 1\n/);
    await expect(get("?step=nope")).rejects.toMatchObject({ status: 400 });
  });
});

describe("promote and roll back", () => {
  it("show what changes before, change it after, and say so", async () => {
    const env = await environment("staging");
    const factory = factoryOf(env);
    const older = await factory.make({ version: "20261201.1", tasks: ["a"] });
    const newer = await factory.make({ version: "20261201.2", tasks: ["a", "b"] });
    await factory.point(older, { at: new Date(Date.now() - 60_000) });
    await factory.point(newer);
    const params = (made: MadeDeployment) => ({ ...paramsOf("staging"), code: made.shortCode });
    const view = ((await browser.get(rollbackPage.loader, "/x", params(older))).data as { view: ChangeView }).view;
    expect(view).toMatchObject({ kind: "rollback", refusal: null, doLabel: "Roll back to 20261201.1", keepLabel: "Keep 20261201.2" });
    expect(view.changes.map((point) => point.title.map((word) => (typeof word === "string" ? word : word.code)).join(""))).toEqual([
      "New runs start on 20261201.1",
      "1 task goes away",
      "Automatic promotion pauses",
    ]);
    expect(view.recorded).toBe("Recorded in the promotion history as admin@sluice.local. Undo it by promoting 20261201.2.");

    const done = await browser.post(rollbackPage.action, "/x", { params: params(older), fields: { intent: "rollback" } });
    expect(location(done)).toBe(`${baseOf("staging")}/deployments`);
    expect(flash()).toContain("20261201.1 is current in staging.");
    const banner = (await list("", "staging")).rolledBack;
    expect(banner).toMatchObject({ current: "20261201.1", from: { version: "20261201.2" }, by: "admin@sluice.local" });

    const keep = ((await browser.get(promotePage.loader, "/x", params(older))).data as { view: ChangeView }).view;
    expect(keep).toMatchObject({ kind: "confirm", from: null, doLabel: "Keep 20261201.1 and resume" });
    await browser.post(promotePage.action, "/x", { params: params(older), fields: { intent: "confirm" } });
    expect((await list("", "staging")).rolledBack).toBeNull();
    const record = await show(older, "staging");
    expect(record.history.map((line) => line.by)).toEqual([
      "admin@sluice.local",
      "admin@sluice.local",
      "the deployment itself",
      "the deployment itself",
    ]);
  });

  it("refuse with the text of the decision, on the page and in the answer to its form", async () => {
    const { rows } = await list("?version=20261101.9", "staging");
    const failed = rows[0];
    const params = { ...paramsOf("staging"), code: failed?.shortCode ?? "" };
    const view = ((await browser.get(promotePage.loader, "/x", params)).data as { view: ChangeView }).view;
    expect(view.refusal).toBe("Deployment is not associated with a worker and cannot be promoted.");
    await browser.post(promotePage.action, "/x", { params, fields: { intent: "promote" } });
    expect(flash()).toContain("Deployment is not associated with a worker and cannot be promoted.");
  });

  it("take only forms of a page of this session", async () => {
    const { rows } = await list("", "staging");
    const before = rows.find((row) => row.current)?.version;
    const code = rows.find((row) => row.version === "20261201.2")?.shortCode ?? "";
    const params = { ...paramsOf("staging"), code };
    const foreign = await browser.post(promotePage.action, "/x", {
      params,
      fields: { intent: "promote" },
      headers: { origin: "https://evil.example" },
    });
    const without = await browser.post(promotePage.action, "/x", { params, fields: { intent: "promote", csrf: null } });
    const action = await browser.post(detailPage.action, "/x", { params, fields: { intent: "stop", csrf: null } });
    expect([foreign.status, without.status, action.status]).toEqual([403, 403, 403]);
    expect((await list("", "staging")).rows.find((row) => row.current)?.version).toBe(before);
    const unknown = await browser.post(detailPage.action, "/x", { params, fields: { intent: "explode" } });
    expect([unknown.status, message(unknown)]).toEqual([400, 'This page has no action "explode". Open the page again.']);
  });
});

describe("what one may not see", () => {
  it("106: does not exist: for members of other organizations, and in other environments", async () => {
    const made = await factoryOf(prod).make({ version: "20261124.1" });
    const prisma = dashboard.app.environments.prisma;
    const stranger = await prisma.userAccount.create({ data: { id: "c000000000stranger0000001", email: "s2@example.com" } });
    const link = new URL(await dashboard.app.auth.loginLinks.create(stranger.id));
    const guest = dashboard.browser();
    const login = await import("../../app/routes/login");
    await guest.post(login.action, "/login", { fields: { csrf: null, token: link.searchParams.get("token") } });
    const params = { ...paramsOf("prod"), code: made.shortCode };
    const pages = [listPage, detailPage, progressPage, promotePage, rollbackPage];
    for (const page of pages) expect((await guest.get(page.loader, "/x", params)).status).toBe(404);
    const posts = [detailPage, promotePage, rollbackPage];
    for (const page of posts) expect((await guest.post(page.action, "/x", { params, fields: { intent: "stop" } })).status).toBe(404);
    const resource = { env: prod.id, code: made.shortCode };
    for (const route of [events, listEvents, log]) {
      await expect(guest.get(route.loader, "/x", resource)).rejects.toMatchObject({ status: 404 });
      await expect(dashboard.browser().get(route.loader, "/x", resource)).rejects.toMatchObject({ status: 401 });
    }
    const elsewhere = await browser.get(detailPage.loader, "/x", { ...params, env: "staging" });
    expect([elsewhere.status, message(elsewhere)]).toEqual([
      404,
      expect.stringContaining(`There is no deployment ${made.shortCode} in staging`),
    ]);
    await expect(browser.get(log.loader, "/x", { env: staging.id, code: made.shortCode })).rejects.toMatchObject({ status: 404 });
  });
});

describe("links", () => {
  it("that the CLI prints lead to the right environment and page", async () => {
    const { externalRef: ref } = await dashboard.app.environments.prisma.project.findFirstOrThrow();
    const factory = factoryOf(prod);
    const done = await factory.make({ version: "20261125.1" });
    const open = await factory.make({ version: "20261125.2", phase: "queued" });
    const follow = async (code: string) =>
      location(await browser.get(cliDeployment.loader, `/projects/v3/${ref}/deployments/${code}`, { ref, code }));
    expect(await follow(done.shortCode)).toBe(`${BASE}/deployments/${done.shortCode}`);
    expect(await follow(open.shortCode)).toBe(`${BASE}/deployments/${open.shortCode}/progress`);
    expect(await follow("nothing0")).toBe("/");
    expect(flash()).toContain("There is no deployment nothing0");
    const test = async (name: string) =>
      location(await browser.get(cliTest.loader, `/projects/v3/${ref}/test?environment=${name}`, { ref }));
    expect([await test("prod"), await test("stg")]).toEqual([`${BASE}/test`, `${baseOf("staging")}/test`]);
    expect(location(await browser.get(go.loader, `${BASE}/go?q=20261125.1`, paramsOf("prod")))).toBe(
      `${BASE}/deployments/${done.shortCode}`
    );
  });
});
