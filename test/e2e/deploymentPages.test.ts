/**
 * The pages of deployments in a real browser. The rows are moved by the test, so that every phase is seen; deploying for
 * real is tested elsewhere.
 */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { EnvironmentView } from "../../app/environments/types";
import { DeploymentFactory, type MadeDeployment } from "../deploymentFactory";
import { createTestServices, type TestServices } from "../services";
import { launchBrowser } from "./support/browser";
import { type Sluice, startSluice } from "./support/sluice";

let services: TestServices;
let sluice: Sluice;
let browser: Browser;
let page: Page;
let base: string;
let factory: DeploymentFactory;

beforeAll(async () => {
  services = await createTestServices();
  sluice = await startSluice({ stores: { databaseUrl: services.databaseUrl, redisUrl: services.redisUrl } });
  browser = await launchBrowser();
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.goto(sluice.credentials.loginUrl);
  await page.getByRole("button", { name: /sign in/i }).click();
  await page.waitForURL(/\/runs/);
  base = page.url().replace(/\/env\/.*/, "/env/prod/deployments");
  const { rows } = await services.pool.query<{ id: string; project_id: string }>(
    "SELECT id, project_id FROM environment WHERE slug = 'prod'"
  );
  const [row] = rows;
  factory = new DeploymentFactory(services.pool, { id: row?.id, project: { id: row?.project_id } } as EnvironmentView);
});
afterAll(async () => {
  await browser?.close();
  await sluice?.remove();
  await services?.close();
});

const now = () => new Date();
const sql = (text: string, values: unknown[]) => services.pool.query(text, values);

/** Ends the open step and begins the next one, as the workflow does. */
async function enter(made: MadeDeployment, phase: string, status: string): Promise<void> {
  await sql("UPDATE deployment_step SET ended_at = $2 WHERE deployment_id = $1 AND ended_at IS NULL", [made.id, now()]);
  await sql("INSERT INTO deployment_step (deployment_id, step, started_at) VALUES ($1, $2, $3)", [made.id, phase, now()]);
  await sql("UPDATE deployment SET phase = $2, status = $3 WHERE id = $1", [made.id, phase, status]);
}

async function becomeReady(made: MadeDeployment): Promise<void> {
  await sql("UPDATE deployment_step SET ended_at = $2 WHERE deployment_id = $1 AND ended_at IS NULL", [made.id, now()]);
  await sql("UPDATE deployment SET phase = 'ready', status = 'DEPLOYED', deployed_at = $2 WHERE id = $1", [made.id, now()]);
}

const progressOf = (made: MadeDeployment) => `${base}/${made.shortCode}/progress`;
const row = (step: string, where: Page = page) => where.locator(`li[data-step="${step}"]`);
const state = (step: string, name: string, where: Page = page) => where.locator(`li[data-step="${step}"][data-state="${name}"]`).waitFor();

/** True as long as the page was not loaded again. */
async function markPage(): Promise<() => Promise<boolean>> {
  await page.evaluate(() => Object.assign(window, { watched: true }));
  return () => page.evaluate(() => "watched" in window);
}

test("a deployment is watched to its end without reloading, and the page goes on to the record", async () => {
  const made = await factory.make({ version: "20260101.1", phase: "starting", createdAt: now() });
  await page.goto(progressOf(made));
  const unchanged = await markPage();
  await state("starting", "active");
  await enter(made, "building", "BUILDING");
  await state("building", "active");
  await factory.log(made, "building", ["install  412 packages"]);
  await row("building").getByText("install 412 packages").last().waitFor();
  await enter(made, "deploying", "DEPLOYING");
  await state("deploying", "active");
  expect(await page.locator('[aria-live="polite"]').textContent()).toContain("Deploying");
  await enter(made, "network", "DEPLOYING");
  await state("network", "active");
  await enter(made, "finalizing", "DEPLOYING");
  await state("finalizing", "active");
  expect(page.url()).toBe(progressOf(made));
  await becomeReady(made);
  await state("finalizing", "completed");
  expect(page.url()).toBe(progressOf(made));
  await page.waitForURL(`${base}/${made.shortCode}`);
  await page.getByText("Ready", { exact: true }).first().waitFor();
  expect(await unchanged()).toBe(true);
  await page.goto(progressOf(made));
  expect(page.url()).toBe(`${base}/${made.shortCode}`);
});

test("the page stays when the reader has opened a row", async () => {
  const made = await factory.make({ version: "20260101.2", phase: "finalizing", createdAt: now() });
  await factory.log(made, "building", ["read me"]);
  await page.goto(progressOf(made));
  await page.getByRole("button", { name: "Pause updates" }).waitFor();
  await row("building").locator("summary").first().click();
  await row("building").getByText("read me").waitFor();
  await becomeReady(made);
  await state("finalizing", "completed");
  const later = await page.waitForURL(`${base}/${made.shortCode}`, { timeout: 2_500 }).then(
    () => true,
    () => false
  );
  expect(later).toBe(false);
});

test("a failure opens its row with where, why and next, and nothing leads away", async () => {
  const made = await factory.make({ version: "20260101.3", phase: "building", createdAt: now() });
  await page.goto(progressOf(made));
  await state("building", "active");
  await factory.log(made, "building", [["error", "Error: STRIPE_API_KEY is not set"]]);
  const error = "Error: STRIPE_API_KEY is not set\n    at load (src/trigger/pay.ts:3:9)";
  await sql(
    "UPDATE deployment_step SET ended_at = $2, error = $3, error_summary = 'Error: STRIPE_API_KEY is not set' WHERE deployment_id = $1 AND ended_at IS NULL",
    [made.id, now(), error]
  );
  await sql(
    "UPDATE deployment SET phase = 'failed', status = 'FAILED', failed_at = $2, failure_step = 'building', failure_code = 'build_failed' WHERE id = $1",
    [made.id, now()]
  );
  await state("building", "error");
  const panel = row("building").locator(".errbox");
  await panel.getByText("src/trigger/pay.ts:3:9", { exact: true }).waitFor();
  await panel.getByText("View full error").click();
  await panel.getByText("at load (src/trigger/pay.ts:3:9)").waitFor();
  expect(await page.locator('li[data-state="skipped"]').count()).toBe(3);
  await row("building").getByRole("button", { name: "Errors 1" }).click();
  expect(await row("building").locator(".dlog li").count()).toBe(1);
  expect(page.url()).toBe(progressOf(made));
});

test("cancel is a form of the page, and the record says what was interrupted", async () => {
  const made = await factory.make({ version: "20260101.4", phase: "building", createdAt: now() });
  await page.goto(progressOf(made));
  await page.locator(".head").getByRole("button", { name: "Cancel deployment" }).first().click();
  await page.getByText("20260101.4 is canceled.").waitFor();
  await state("building", "error");
  expect(await page.locator('li[data-state="skipped"]').count()).toBe(3);
});

test("a rollback is confirmed on its page, shown on the list, and kept from there", async () => {
  const older = await factory.make({ version: "20260102.1", tasks: ["a"] });
  const newer = await factory.make({ version: "20260102.2", tasks: ["a", "b"] });
  await factory.point(older);
  await factory.point(newer);
  await page.goto(base);
  const line = page.locator('tr[data-version="20260102.1"]');
  await line.locator("summary").click();
  expect(await line.locator('[data-action="promote"]').textContent()).toContain("Cannot promote a deployment that is older");
  await line.locator('a[data-action="rollback"]').click();
  await page.getByRole("heading", { name: "Roll back prod to 20260102.1?" }).waitFor();
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Keep 20260102.2");
  await page.getByText("1 task goes away").waitFor();
  await page.getByRole("button", { name: "Roll back to 20260102.1" }).click();
  await page.getByText("Automatic promotion is paused. Current is 20260102.1.").waitFor();
  expect(await page.locator("tr.cur").getAttribute("data-version")).toBe("20260102.1");
  await page.getByRole("link", { name: "Keep 20260102.1 and resume" }).click();
  await page.getByRole("button", { name: "Keep 20260102.1 and resume" }).click();
  await page.getByText("20260102.1 stays current.").waitFor();
  expect(await page.getByText("Automatic promotion is paused").count()).toBe(0);
});

test("a long log draws what is in sight, loads the rest on request, and links to a line", async () => {
  const made = await factory.make({ version: "20260103.1", phase: "failed", failedStep: "building" });
  await factory.log(
    made,
    "building",
    Array.from({ length: 3_000 }, (_, i) => `line number ${i + 1}`)
  );
  await page.goto(`${base}/${made.shortCode}`);
  const log = row("building").locator(".dlog");
  await log.getByRole("button", { name: "Load them" }).click();
  await log.getByText("Lines 1 to 3,000, 3,000 in this phase").waitFor();
  expect(await log.locator("li").count()).toBeLessThan(200);
  await log.locator(".lines").evaluate((box) => box.scrollTo(0, 1_500 * 19));
  await log.getByText("line number 1505", { exact: true }).waitFor();
  await page.goto("about:blank");
  await page.goto(`${base}/${made.shortCode}#L12`);
  await log.getByText("line number 12", { exact: true }).waitFor();
  const download = page.waitForEvent("download");
  await log.getByRole("link", { name: "Download" }).click();
  expect((await download).suggestedFilename()).toBe("deployment-20260103.1-building.log");
});

test("without JavaScript the page reads itself again and shows the end", async () => {
  const made = await factory.make({ version: "20260104.1", phase: "finalizing", createdAt: now() });
  await factory.log(made, "building", ["plain line"]);
  const context = await browser.newContext({ javaScriptEnabled: false, storageState: await page.context().storageState() });
  const plain = await context.newPage();
  await plain.goto(progressOf(made));
  await state("finalizing", "active", plain);
  await row("building", plain).locator("summary").first().click();
  await row("building", plain).getByText("plain line").waitFor();
  await becomeReady(made);
  await plain.waitForURL(`${base}/${made.shortCode}`);
  await state("finalizing", "completed", plain);
  await plain.goto(base);
  const line = plain.locator('tr[data-version="20260104.1"]');
  await line.locator("summary").click();
  await line.locator('button[data-action="stop"]').click();
  await plain.getByText("20260104.1 is being stopped.").waitFor();
  await context.close();
});
