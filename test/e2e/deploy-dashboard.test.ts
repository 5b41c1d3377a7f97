/** Deployments in a real browser: one is watched to its end, one fails, one is cancelled, one is rolled back and kept. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "./support/browser";
import { makeProject, runCli } from "./support/devSession";
import type { Spawned } from "./support/processes";
import { type Sluice, startSluice } from "./support/sluice";

/** A deployment on a busy machine. */
const DEPLOY_TIMEOUT_MS = 150_000;
const PAGE_TIMEOUT_MS = 60_000;
const TEST_TIMEOUT_MS = 400_000;

let sluice: Sluice;
let project: ReturnType<typeof makeProject>;
let browser: Browser;
let page: Page;
let list: string;

beforeAll(async () => {
  sluice = await startSluice({ agent: true });
  project = makeProject();
  browser = await launchBrowser();
  page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(PAGE_TIMEOUT_MS);
  await page.goto(sluice.credentials.loginUrl);
  await page.getByRole("button", { name: /sign in/i }).click();
  await page.waitForURL(/\/orgs\/.+\/runs/);
  list = `${sluice.origin}/projects/v3/${sluice.credentials.projectRef}/deployments?envSlug=prod`;
});
afterAll(async () => {
  await browser?.close();
  project?.remove();
  await sluice?.remove();
});

const deploy = (): Spawned => runCli(sluice, project.dir, ["deploy", "--skip-update-check"]);
const taskFile = (text: string) => writeFileSync(path.join(project.dir, "src/trigger/changing.ts"), text);

async function deployToTheEnd(): Promise<void> {
  const cli = deploy();
  expect(await cli.ended, cli.output()).toBe(0);
}

/** Fails the test when the page is loaded again: what is watched must change in place. */
async function markPage(): Promise<() => Promise<boolean>> {
  await page.evaluate(() => Object.assign(window, { watched: true }));
  return () => page.evaluate(() => "watched" in window);
}

/** Starts the CLI with the list open, and follows the link of the row that appears. */
async function deployAndFollow(): Promise<Spawned> {
  await page.goto(list);
  await page.getByRole("heading", { name: "Deployments", level: 1 }).waitFor();
  const known = await page.locator("tr[data-version]").count();
  const cli = deploy();
  await page.locator("tr[data-version]").nth(known).waitFor({ timeout: DEPLOY_TIMEOUT_MS });
  await page.locator("tr[data-version] a[data-row-link]").first().click();
  await page.waitForURL(/\/deployments\/[^/]+\/progress$/);
  return cli;
}

const phase = (step: string, state: string) => page.locator(`li[data-step="${step}"][data-state="${state}"]`);
const currentRow = () => page.locator("tr.cur[data-version]");

test(
  "a good deployment is watched on its progress page, which goes on to the record of it",
  async () => {
    const cli = await deployAndFollow();
    const unchanged = await markPage();
    await phase("building", "active").waitFor({ timeout: DEPLOY_TIMEOUT_MS });
    await phase("building", "completed").waitFor({ timeout: DEPLOY_TIMEOUT_MS });
    await page.waitForURL((url) => /\/deployments\/[^/]+$/.test(url.pathname), { timeout: DEPLOY_TIMEOUT_MS });
    expect(await unchanged()).toBe(true);
    await page.locator("section.head .badge", { hasText: "Ready" }).waitFor();
    await page.locator("section.head .tag.current").waitFor();
    expect(await page.locator('li[data-step][data-state="completed"]').count()).toBe(6);
    expect(await cli.ended, cli.output()).toBe(0);
  },
  TEST_TIMEOUT_MS
);

test(
  "a failed one shows the failed phase with its log, the later ones skipped, and that nothing else changed",
  async () => {
    taskFile('throw new Error("this file cannot be indexed");\nexport const nothing = 1;\n');
    const cli = await deployAndFollow();
    const failed = phase("building", "error");
    await failed.waitFor({ timeout: DEPLOY_TIMEOUT_MS });
    await failed.locator(".errbox").getByText("this file cannot be indexed").first().waitFor();
    await failed.locator(".dlog").getByText("this file cannot be indexed").first().waitFor();
    for (const step of ["deploying", "network", "finalizing"]) await phase(step, "skipped").waitFor();
    await page.locator("section.head .badge", { hasText: "Failed" }).waitFor();
    await page.getByText(/Nothing changed for your runs\. .+ is still current\./).waitFor();
    expect(await cli.ended, cli.output()).toBe(1);
  },
  TEST_TIMEOUT_MS
);

test(
  "one is cancelled from its progress page while it is indexed",
  async () => {
    taskFile("await new Promise((resolve) => setTimeout(resolve, 600_000));\nexport const nothing = 1;\n");
    const cli = await deployAndFollow();
    await phase("building", "active").waitFor({ timeout: DEPLOY_TIMEOUT_MS });
    await page.getByRole("button", { name: "Cancel deployment" }).first().click();
    await page.locator("section.head .badge", { hasText: "Canceled" }).waitFor();
    for (const step of ["deploying", "network", "finalizing"]) await phase(step, "skipped").waitFor();
    expect(await cli.ended, cli.output()).toBe(1);
    await page.goto(list);
    expect(await currentRow().getAttribute("data-version")).toMatch(/\.1$/);
  },
  TEST_TIMEOUT_MS
);

test(
  "an older version is made current from the list, the banner says so, and keeping it resumes promotion",
  async () => {
    taskFile("export const nothing = 1;\n");
    await deployToTheEnd();
    await page.goto(list);
    const newer = await currentRow().getAttribute("data-version");
    expect(newer).toMatch(/\.4$/);
    const older = String(newer).replace(/\.4$/, ".1");
    const row = page.locator(`tr[data-version="${older}"]`);
    await row.getByLabel(`Actions for ${older}`).click();
    await row.locator('[data-action="rollback"]').click();
    await page.getByRole("heading", { name: `Roll back prod to ${older}?` }).waitFor();
    await page.locator(".confirm-foot button.primary").click();
    const banner = page.locator(".banner.c-hold", { hasText: "Automatic promotion is paused" });
    await banner.waitFor();
    expect(await banner.innerText()).toContain(`Current is ${older}`);
    expect(await currentRow().getAttribute("data-version")).toBe(older);
    await banner.getByRole("link", { name: `Keep ${older} and resume` }).click();
    await page.getByRole("heading", { name: `Keep ${older} as the current version?` }).waitFor();
    await page.locator(".confirm-foot button.primary").click();
    await currentRow().waitFor();
    await banner.waitFor({ state: "detached" });
    expect(await currentRow().getAttribute("data-version")).toBe(older);
  },
  TEST_TIMEOUT_MS
);
