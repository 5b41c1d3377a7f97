import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as variablesPage from "../../app/routes/_app.orgs.$org.projects.$project.env.$env.variables";
import type { VariablesView } from "../../app/presenters/variables.server";
import { signIn, startDashboard, type Answer, type Browser, type Dashboard } from "./app";

let dashboard: Dashboard;
let browser: Browser;
const params = { org: "my-organization", project: "my-project", env: "prod" };
const PATH = "/orgs/my-organization/projects/my-project/env/prod/variables";

beforeAll(async () => {
  dashboard = await startDashboard();
  browser = await signIn(dashboard);
});
afterAll(() => dashboard.close());

const flash = () => decodeURIComponent(browser.cookies.get("sluice_flash") ?? "");
const send = (fields: Record<string, string | null>): Promise<Answer> => browser.post(variablesPage.action, PATH, { params, fields });
const show = async (search = "", env = "prod"): Promise<VariablesView> => {
  const answer = await browser.get(variablesPage.loader, `${PATH}${search}`, { ...params, env });
  expect(answer.headers.get("cache-control")).toBe("no-store");
  return (answer.data as { view: VariablesView }).view;
};
const valueOf = (view: VariablesView, name: string) => view.rows.find((row) => row.name === name)?.value;
/** What runs get; the server hears of a change a moment later. */
const inUse = async () => {
  const { externalRef } = await dashboard.app.environments.prisma.project.findFirstOrThrow();
  const env = await dashboard.app.environments.bySlug(externalRef, "prod", null);
  return dashboard.app.environments.variables(env?.id ?? "");
};

describe("environment variables", () => {
  it("start with the form for the first one", async () => {
    expect(await show()).toMatchObject({ rows: [], adding: "" });
    expect((await show("?add=API_URL")).adding).toBe("API_URL");
  });

  it("are added, masked in the list, and revealed one at a time", async () => {
    expect((await send({ intent: "create", name: " API_URL ", value: "https://api.example" })).status).toBe(302);
    expect(flash()).toContain("API_URL is added to prod.");
    expect((await send({ intent: "create", name: "KEY_FILE", value: "one\r\ntwo" })).status).toBe(302);
    const masked = await show();
    expect(masked.rows.map((row) => [row.name, row.value, row.isSecret])).toEqual([
      ["API_URL", null, false],
      ["KEY_FILE", null, false],
    ]);
    expect(masked.adding).toBeNull();
    const revealed = await show("?reveal=KEY_FILE");
    expect([valueOf(revealed, "KEY_FILE"), valueOf(revealed, "API_URL")]).toEqual(["one\ntwo", null]);
    expect((await show("", "dev")).rows).toEqual([]);
    await expect.poll(inUse).toMatchObject({ API_URL: "https://api.example", KEY_FILE: "one\ntwo" });
  });

  it("that are secret are never shown again, neither revealed nor edited nor refused", async () => {
    expect((await send({ intent: "create", name: "API_KEY", value: "s3cret", secret: "on" })).status).toBe(302);
    for (const search of ["", "?reveal=API_KEY", "?edit=API_KEY"]) {
      const view = await show(search);
      expect(JSON.stringify(view)).not.toContain("s3cret");
      expect(view.rows.find((row) => row.name === "API_KEY")).toMatchObject({ isSecret: true, value: null });
    }
    const refused = await send({ intent: "create", name: "API_KEY", value: "s3cret", secret: "on" });
    expect(refused).toMatchObject({
      status: 409,
      data: { refused: { name: "API_KEY", value: "", error: expect.stringContaining("already") } },
    });
    await expect.poll(inUse).toMatchObject({ API_KEY: "s3cret" });
  });

  it("are changed, and become secret for good", async () => {
    expect(valueOf(await show("?edit=API_URL"), "API_URL")).toBe("https://api.example");
    expect((await send({ intent: "update", name: "API_URL", value: "https://new.example" })).status).toBe(302);
    expect(valueOf(await show("?reveal=API_URL"), "API_URL")).toBe("https://new.example");
    expect((await send({ intent: "update", name: "API_URL", value: "hidden", secret: "on" })).status).toBe(302);
    expect((await send({ intent: "update", name: "API_URL", value: "hidden too" })).status).toBe(302);
    expect(valueOf(await show("?reveal=API_URL"), "API_URL")).toBeNull();
    await expect.poll(inUse).toMatchObject({ API_URL: "hidden too" });
    expect((await send({ intent: "update", name: "NOT_SET", value: "x" })).status).toBe(404);
    expect((await send({ intent: "update", name: "NOT_SET", value: "x", secret: "on" })).status).toBe(404);
  });

  it("are refused in words beside the form, with what was typed", async () => {
    const refused = async (fields: Record<string, string>) => {
      const answer = await send({ intent: "create", value: "v", ...fields });
      return [answer.status, (answer.data as { refused: { error: string; value: string } }).refused];
    };
    expect(await refused({ name: "1ST" })).toEqual([
      400,
      expect.objectContaining({ value: "v", error: expect.stringContaining('"1ST" is not a usable') }),
    ]);
    expect(await refused({ name: "TRIGGER_SECRET_KEY" })).toEqual([
      400,
      expect.objectContaining({ error: expect.stringContaining("set by the server") }),
    ]);
    expect((await send({ intent: "explode", name: "X" })).status).toBe(400);
    expect((await send({ intent: "create", name: "X", value: "1", csrf: null })).status).toBe(403);
    const foreign = await browser.post(variablesPage.action, PATH, {
      params,
      fields: { intent: "create", name: "X", value: "1" },
      headers: { origin: "https://evil.example" },
    });
    expect(foreign.status).toBe(403);
    expect((await show()).rows.map((row) => row.name)).toEqual(["API_KEY", "API_URL", "KEY_FILE"]);
  });

  it("are deleted once, and every change is in the audit log without its value", async () => {
    expect((await send({ intent: "delete", name: "KEY_FILE" })).status).toBe(302);
    await expect.poll(async () => Object.keys(await inUse()).sort()).toEqual(["API_KEY", "API_URL"]);
    expect((await send({ intent: "delete", name: "KEY_FILE" })).status).toBe(404);
    const { rows } = await dashboard.app.deployments.pool.query<{ event: string; name: string; actor: string }>(
      "SELECT event, meta ->> 'name' AS name, actor_name AS actor, meta::text AS meta FROM audit_log WHERE event LIKE 'variable.%' ORDER BY id"
    );
    expect(rows.map((row) => `${row.event} ${row.name}`)).toEqual([
      ...["variable.create API_URL", "variable.create KEY_FILE", "variable.create API_KEY"],
      ...["variable.update API_URL", "variable.update API_URL", "variable.update API_URL", "variable.delete KEY_FILE"],
    ]);
    expect(JSON.stringify(rows)).not.toMatch(/s3cret|hidden|example/);
  });

  it("are not there for who is not signed in", async () => {
    expect((await dashboard.browser().get(variablesPage.loader, PATH, params)).status).toBe(302);
  });
});
