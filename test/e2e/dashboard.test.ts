/** The dashboard in a real browser: sign in, watch a run go from queued to completed without reloading, read why one failed. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "./support/browser";
import { type DevSession, startDevSession } from "./support/devSession";
import { type Sluice, startSluice } from "./support/sluice";

let sluice: Sluice;
let dev: DevSession | undefined;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  sluice = await startSluice();
  browser = await launchBrowser();
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
});
afterAll(async () => {
  await browser?.close();
  await dev?.stop();
  await sluice?.remove();
});

async function trigger(task: string, payload: unknown): Promise<string> {
  const answer = await fetch(`${sluice.origin}/api/v1/tasks/${task}/trigger`, {
    method: "POST",
    headers: { authorization: `Bearer ${sluice.credentials.environments.dev.secretKey}`, "content-type": "application/json" },
    body: JSON.stringify({ payload }),
  });
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { id: string }).id;
}

/** Fails the test when the page is loaded again: what is watched must change in place. */
async function markPage(): Promise<() => Promise<boolean>> {
  await page.evaluate(() => Object.assign(window, { watched: true }));
  return () => page.evaluate(() => "watched" in window);
}

test("the printed link signs in once", async () => {
  // A button, so that a preview or a prefetch of the link does not use it up.
  await page.goto(sluice.credentials.loginUrl);
  await page.getByRole("button", { name: /sign in/i }).click();
  await page.waitForURL(/\/orgs\/.+\/runs/);
  const other = await browser.newContext();
  const second = await other.newPage();
  await second.goto(sluice.credentials.loginUrl);
  await second.getByRole("button", { name: /sign in/i }).click();
  await second.getByText(/was used already/).waitFor();
  await other.close();
});

test("a run is watched from queued to completed without reloading", async () => {
  const id = await trigger("hello", { name: "Browser" });
  await page.goto(`${sluice.origin}/projects/v3/${sluice.credentials.projectRef}/runs/${id}`);
  await page.getByText("Queued", { exact: true }).first().waitFor();
  await page
    .getByText(/no dev worker|trigger\.dev dev|not connected/i)
    .first()
    .waitFor();
  const unchanged = await markPage();
  dev = await startDevSession(sluice);
  await page.getByText("Completed", { exact: true }).first().waitFor({ timeout: 30_000 });
  await page.getByText("Hello, Browser").first().waitFor();
  expect(await unchanged()).toBe(true);
});

test("the list shows a new run and its end in place, and filters by status in the URL", async () => {
  await page.goto(`${sluice.origin}/projects/v3/${sluice.credentials.projectRef}/runs?envSlug=dev`);
  await page.locator("table").first().waitFor();
  const unchanged = await markPage();
  const id = await trigger("failing", { message: "seen in the list" });
  const row = page.locator("tr", { hasText: id.slice(-6) });
  await row.getByText("Failed", { exact: true }).waitFor({ timeout: 30_000 });
  expect(await unchanged()).toBe(true);
  const url = new URL(page.url());
  url.searchParams.set("status", "COMPLETED");
  await page.goto(url.href);
  await page.locator("table").first().waitFor();
  expect(await page.locator("tr", { hasText: id.slice(-6) }).count()).toBe(0);
});

test("the page of a failed run shows its error and its attempts", async () => {
  const id = await trigger("failing", { message: "look here" });
  await page.goto(`${sluice.origin}/projects/v3/${sluice.credentials.projectRef}/runs/${id}`);
  await page.getByText("Failed", { exact: true }).first().waitFor({ timeout: 30_000 });
  await page
    .getByText(/look here \(attempt 3\)/)
    .first()
    .waitFor();
});

test("a variable is added without JavaScript, revealed, and deleted", async () => {
  const state = await page.context().storageState();
  const context = await browser.newContext({ javaScriptEnabled: false, storageState: state });
  const plain = await context.newPage();
  await plain.goto(page.url().replace(/\/runs.*/, "/variables"));
  await plain.getByLabel("Name").fill("SHOP_URL");
  await plain.getByLabel("Value").fill("https://shop.example");
  await plain.getByRole("button", { name: "Add variable" }).click();
  await plain.getByText("SHOP_URL is added to dev.").waitFor();
  expect(await plain.getByText("https://shop.example").count()).toBe(0);
  await plain.getByRole("link", { name: "Reveal value of SHOP_URL" }).click();
  await plain.getByText("https://shop.example").waitFor();
  await plain.getByLabel("Delete SHOP_URL").click();
  await plain.getByRole("button", { name: "Delete variable" }).click();
  await plain.getByText("SHOP_URL is deleted.").waitFor();
  await context.close();
});

test("a form of another site is refused with a page that says so", async () => {
  for (const origin of ["https://evil.example", "null"]) {
    const answer = await fetch(`${sluice.origin}/login`, {
      method: "POST",
      headers: { origin },
      body: new URLSearchParams({ email: "a" }),
    });
    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain("This form was sent from another site.");
  }
});

test("the same pages work without JavaScript", async () => {
  const state = await page.context().storageState();
  const context = await browser.newContext({ javaScriptEnabled: false, storageState: state });
  const plain = await context.newPage();
  await plain.goto(`${sluice.origin}/projects/v3/${sluice.credentials.projectRef}/runs?envSlug=dev`);
  await plain.locator("table tbody tr a").first().click();
  await plain
    .getByText(/Completed|Failed/)
    .first()
    .waitFor();
  await context.close();
});

test("another person's pages are not shown to someone who is not signed in", async () => {
  const context = await browser.newContext();
  const stranger = await context.newPage();
  await stranger.goto(page.url());
  await stranger.waitForURL(/\/login/);
  await context.close();
});
