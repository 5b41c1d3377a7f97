import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as settingsPage from "../../app/routes/_app.orgs.$org.projects.$project.env.$env.deploy-settings";
import * as regionsPage from "../../app/routes/_app.orgs.$org.projects.$project.env.$env.regions";
import * as layout from "../../app/routes/_app";
import * as activity from "../../app/routes/resources.envs.$env.activity";
import type { ShellData } from "../../app/presenters/shellView";
import type { DeploySettingsView } from "../../app/presenters/deployments/settings.server";
import type { RegionsView } from "../../app/presenters/deployments/regions.server";
import type { EnvironmentView } from "../../app/environments/types";
import { DeploymentFactory } from "../deploymentFactory";
import { signIn, startDashboard, type Answer, type Browser, type Dashboard } from "./app";

let dashboard: Dashboard;
let browser: Browser;
let prod: EnvironmentView;
const params = { org: "my-organization", project: "my-project", env: "prod" };
const BASE = "/orgs/my-organization/projects/my-project/env/prod";
const flash = () => decodeURIComponent(browser.cookies.get("sluice_flash") ?? "");

beforeAll(async () => {
  dashboard = await startDashboard();
  browser = await signIn(dashboard);
  const { externalRef } = await dashboard.app.environments.prisma.project.findFirstOrThrow();
  const view = await dashboard.app.environments.bySlug(externalRef, "prod", null);
  if (!view) throw new Error("There is no prod.");
  prod = view;
});
afterAll(() => dashboard.close());

const settings = async () =>
  ((await browser.get(settingsPage.loader, `${BASE}/deploy-settings`, params)).data as { view: DeploySettingsView }).view;
const regions = async () => ((await browser.get(regionsPage.loader, `${BASE}/regions`, params)).data as { view: RegionsView }).view;
const save = (fields: Record<string, string | readonly string[] | null>) =>
  browser.post(settingsPage.action, `${BASE}/deploy-settings`, { params, fields });
const act = (fields: Record<string, string | null>): Promise<Answer> =>
  browser.post(regionsPage.action, `${BASE}/regions`, { params, fields });

describe("deploy settings", () => {
  const everything = { intent: "settings", buildPath: "native", readiness: "all", concurrentBuilds: "3", supersedeQueued: "on" };

  it("are saved as they were sent: what is not ticked is off", async () => {
    expect((await settings()).settings).toMatchObject({ buildPath: "native_local_bundle", autoPromote: true, holdResponse: true });
    expect((await save(everything)).status).toBe(302);
    expect((await settings()).settings).toEqual({
      ...{ buildPath: "native", readiness: "all", concurrentBuilds: 3, supersedeQueued: true },
      ...{ autoPromote: false, holdResponse: false, processKeepAlive: false },
    });
    expect(flash()).toContain("The deploy settings of prod are saved.");
  });

  it("name everything that is wrong at once, and change nothing", async () => {
    const before = await settings();
    const answer = await save({ ...everything, buildPath: "docker", concurrentBuilds: "1.5", readiness: "none" });
    expect(answer).toMatchObject({ status: 400, data: { form: "settings" } });
    expect((answer.data as { texts: string[] }).texts).toEqual([
      'Where it is built is one of native_local_bundle, native (got "docker").',
      'Readiness is one of min2, all-but-one, all (got "none").',
      'Builds at once is a whole number between 1 and 50 (got "1.5").',
    ]);
    expect(await settings()).toEqual(before);
    expect((await save({ ...everything, concurrentBuilds: "51" })).status).toBe(400);
    expect((await save({ ...everything, csrf: null })).status).toBe(403);
    expect((await save({ intent: "explode" })).status).toBe(400);
  });

  it("choose regions and replicas; every wrong number is named with its region", async () => {
    await new DeploymentFactory(dashboard.app.deployments.pool, prod).region("eu");
    const wanted = async () => (await settings()).regions.map((region) => [region.region, region.replicas]);
    expect(await wanted()).toEqual([
      ["eu", null],
      ["local", 1],
    ]);
    const send = (rows: [string, string][]) =>
      save({
        intent: "regions",
        region: rows.map(([region]) => region),
        ...Object.fromEntries(rows.map(([region, text]) => [`replicas:${region}`, text])),
      });
    expect(
      (
        await send([
          ["eu", "3"],
          ["local", "2"],
        ])
      ).status
    ).toBe(302);
    expect(await wanted()).toEqual([
      ["eu", 3],
      ["local", 2],
    ]);
    const refused = await send([
      ["eu", "21"],
      ["local", "1.5"],
      ["mars", "1"],
    ]);
    expect(refused).toMatchObject({ status: 400, data: { form: "regions", typed: { eu: "21", local: "1.5", mars: "1" } } });
    expect((refused.data as { texts: string[] }).texts).toEqual([
      'Region "mars" does not exist.',
      'Region "eu": replicas must be a whole number between 1 and 20 (got 21).',
      'Region "local": replicas must be a whole number between 1 and 20 (got 1.5).',
    ]);
    const texts = async (rows: [string, string][]) => ((await send(rows)).data as { texts: string[] }).texts;
    expect(await texts([["eu", "two"]])).toEqual(['Region "eu": replicas must be a whole number between 1 and 20 (got "two").']);
    expect(await texts([])).toEqual(["No regions configured. Add at least one region before deploying."]);
    expect(await wanted()).toEqual([
      ["eu", 3],
      ["local", 2],
    ]);
    await send([["eu", "1"]]);
    expect(await wanted()).toEqual([
      ["eu", 1],
      ["local", null],
    ]);
    const audit = await dashboard.app.deployments.pool.query("SELECT actor_name FROM audit_log WHERE event = 'region_settings.update'");
    expect(audit.rows).toEqual([{ actor_name: "admin@sluice.local" }, { actor_name: "admin@sluice.local" }]);
  });

  it("do not exist for development", async () => {
    const dev = { ...params, env: "dev" };
    const view = (await browser.get(settingsPage.loader, "/x", dev)).data as { view: DeploySettingsView };
    expect(view.view.deployable).toBe(false);
    const answer = await browser.post(settingsPage.action, "/x", { params: dev, fields: everything });
    expect(answer.status).toBe(409);
  });
});

describe("regions", () => {
  it("show agents as they described themselves, and who does not report", async () => {
    const factory = new DeploymentFactory(dashboard.app.deployments.pool, prod);
    await factory.agent("eu", "eu-1");
    await factory.agent("eu", "eu-2", 120_000);
    const eu = (await regions()).regions.find((region) => region.name === "eu");
    expect(eu).toMatchObject({ connected: 1, wanted: 1 });
    expect(eu?.agents.map((agent) => [agent.name, agent.connected])).toEqual([
      ["eu-1", true],
      ["eu-2", false],
    ]);
    expect(eu?.agents[0]).toMatchObject({
      isolation: "L2",
      machine: "linux x64, Node 22.11.0",
      roles: "runner, builder",
      slots: 8,
      used: 0,
    });
  });

  it("give a token once, keep its end, and revoke it", async () => {
    const local = (await regions()).regions.find((region) => region.name === "local");
    const before = local?.tokens.length ?? 0;
    const answer = await act({ intent: "create-token", region: local?.id ?? "" });
    const { made } = answer.data as { made: { token: string; region: string } };
    expect([answer.headers.get("cache-control"), made.region]).toEqual(["no-store", "local"]);
    expect(made.token).toMatch(/^tr_wgt_/);
    const after = (await regions()).regions.find((region) => region.name === "local")?.tokens ?? [];
    expect(after).toHaveLength(before + 1);
    expect(JSON.stringify(after)).not.toContain(made.token);
    expect((await act({ intent: "revoke-token", id: after[0]?.id ?? "" })).status).toBe(302);
    expect((await regions()).regions.find((region) => region.name === "local")?.tokens).toHaveLength(before);
    expect((await act({ intent: "revoke-token", id: after[0]?.id ?? "" })).status).toBe(404);
    expect((await act({ intent: "create-token", region: "nowhere" })).status).toBe(404);
  });

  it("are made by name, and a name that cannot be one is said beside the field", async () => {
    expect((await act({ intent: "create-region", name: "us-east" })).status).toBe(302);
    expect((await regions()).regions.map((region) => region.name)).toContain("us-east");
    const refused = await act({ intent: "create-region", name: "US East" });
    expect(refused).toMatchObject({ status: 400, data: { typed: "US East", error: expect.stringContaining("Region names have 1 to 63") } });
    expect((await act({ intent: "create-region", name: "x", csrf: null })).status).toBe(403);
  });
});

describe("the navigation", () => {
  const shell = async (at: Record<string, string>) => ((await browser.get(layout.loader, BASE, at)).data as { shell: ShellData }).shell;

  it("counts what is on its way in its environment, and processes and regions of the installation", async () => {
    const factory = new DeploymentFactory(dashboard.app.deployments.pool, prod);
    await factory.agent("nav-1", "nav-1");
    await factory.region("nav-2");
    const before = await shell(params);
    expect(before.activity).toEqual({ executing: 0, deploying: 0 });
    const { regions, connected, processes } = before.health.installation ?? { regions: 0, connected: 0, processes: 0 };
    expect(processes).toBe(1);
    expect([connected > 0, connected < regions]).toEqual([true, true]);
    await factory.make({ version: "20261121.1" });
    await factory.make({ version: "20261121.2", phase: "queued" });
    await factory.make({ version: "20261121.3", phase: "deploying" });
    const read = await browser.get(activity.loader, "/resources/envs/x/activity", { env: prod.id });
    expect(await (read.data as Response).json()).toEqual({ executing: 0, deploying: 2 });
    expect((await shell(params)).activity).toEqual({ executing: 0, deploying: 2 });
    expect((await shell({ ...params, env: "dev" })).activity).toEqual({ executing: 0, deploying: 0 });
    expect((await shell({})).activity).toBeNull();
  });

  it("tells its counts to members only", async () => {
    const guest = dashboard.browser();
    await expect(guest.get(activity.loader, "/x", { env: prod.id })).rejects.toMatchObject({ status: 401 });
    await expect(browser.get(activity.loader, "/x", { env: "nowhere" })).rejects.toMatchObject({ status: 404 });
  });
});
