/** What tests of the deployment pages share: a signed-in browser, rows that the test moves, and what a phase's row shows. */
import type { Browser, Page } from "playwright-core";
import type { EnvironmentView } from "../../../app/environments/types";
import { DeploymentFactory, type MadeDeployment } from "../../deploymentFactory";
import type { TestServices } from "../../services";
import type { Sluice } from "./sluice";

/** Signs in with the one-time link, and gives the address of the project's environments. */
export async function signIn(browser: Browser, sluice: Sluice): Promise<{ page: Page; environments: string }> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(sluice.credentials.loginUrl);
  await page.getByRole("button", { name: /sign in/i }).click();
  await page.waitForURL(/\/orgs\/.+\/runs/);
  return { page, environments: page.url().replace(/\/env\/.*/, "/env") };
}

/** Deployments as rows of an environment that no client deploys to, so that every phase can be looked at. */
export class MovedDeployments {
  private constructor(
    private readonly services: TestServices,
    readonly factory: DeploymentFactory
  ) {}

  static async of(services: TestServices, slug: string): Promise<MovedDeployments> {
    const { rows } = await services.pool.query<{ id: string; project_id: string }>(
      "SELECT id, project_id FROM environment WHERE slug = $1",
      [slug]
    );
    const env = { id: rows[0]?.id, project: { id: rows[0]?.project_id } } as EnvironmentView;
    return new MovedDeployments(services, new DeploymentFactory(services.pool, env));
  }

  sql(text: string, values: unknown[]) {
    return this.services.pool.query(text, values);
  }

  /** Ends the open step and begins the next one, as the workflow does: in one transaction. */
  async enter(made: MadeDeployment, phase: string, status: string): Promise<void> {
    await this.sql(
      `WITH ended AS (UPDATE deployment_step SET ended_at = $2 WHERE deployment_id = $1 AND ended_at IS NULL),
            begun AS (INSERT INTO deployment_step (deployment_id, step, started_at) VALUES ($1, $3, $2))
       UPDATE deployment SET phase = $3, status = $4 WHERE id = $1`,
      [made.id, new Date(), phase, status]
    );
  }

  async becomeReady(made: MadeDeployment): Promise<void> {
    await this.sql(
      `WITH ended AS (UPDATE deployment_step SET ended_at = $2 WHERE deployment_id = $1 AND ended_at IS NULL)
       UPDATE deployment SET phase = 'ready', status = 'DEPLOYED', deployed_at = $2 WHERE id = $1`,
      [made.id, new Date()]
    );
  }

  async fail(made: MadeDeployment, step: string, error: string): Promise<void> {
    await this.sql(
      `WITH ended AS (UPDATE deployment_step SET ended_at = $2, error = $3, error_summary = split_part($3, chr(10), 1)
                      WHERE deployment_id = $1 AND ended_at IS NULL)
       UPDATE deployment SET phase = 'failed', status = 'FAILED', failed_at = $2, failure_step = $4, failure_code = 'build_failed' WHERE id = $1`,
      [made.id, new Date(), error, step]
    );
  }
}

/** The row of a phase; `state` narrows it to a row in that state. */
export function phaseRow(page: Page, step: string, state?: string) {
  return page.locator(`li[data-step="${step}"]${state ? `[data-state="${state}"]` : ""}`);
}

/** True as long as the page was not loaded again: what is watched must change in place. */
export async function markPage(page: Page): Promise<() => Promise<boolean>> {
  await page.evaluate(() => Object.assign(window, { watched: true }));
  return () => page.evaluate(() => "watched" in window);
}

/** Notes, in the page, when each row first was in each state. */
export async function noteStates(page: Page): Promise<(step: string, state: string) => Promise<number>> {
  await page.evaluate(() => {
    const seen: Record<string, number> = {};
    const note = () => {
      for (const row of document.querySelectorAll<HTMLElement>("li[data-step]")) {
        seen[`${row.dataset["step"]} ${row.dataset["state"]}`] ??= Date.now();
      }
    };
    new MutationObserver(note).observe(document.body, {
      subtree: true,
      childList: true,
      attributes: true,
      attributeFilter: ["data-state"],
    });
    note();
    Object.assign(window, { seenStates: seen });
  });
  return async (step, state) => {
    await phaseRow(page, step, state).waitFor();
    const key = `${step} ${state}`;
    return page.evaluate((name) => (window as unknown as { seenStates: Record<string, number> }).seenStates[name] ?? Number.NaN, key);
  };
}
