import { describe, expect, it } from "vitest";
import { STEPS, type Phase } from "~/deployments/phases";
import { DEPLOYMENT_WORDS } from "~/utils/deploymentWords";
import { reportText } from "~/components/deployments/DeploymentPage";
import { confirmStory, deploymentStories, listStory, pageStory, pageView, STATUSES, stepsUpTo } from "./deploymentStories";
import { renderAt } from "./render";

/** Every field has a label, an accessible name, or is hidden. */
function unlabelled(html: string): string[] {
  const labels = new Set([...html.matchAll(/<label[^>]*\bfor="([^"]+)"/g)].map((match) => match[1]));
  return [...html.matchAll(/<(input|select|textarea)\b[^>]*>/g)]
    .map((match) => match[0])
    .filter((tag) => !tag.includes('type="hidden"') && !tag.includes("aria-label="))
    .filter((tag) => !labels.has(/\bid="([^"]+)"/.exec(tag)?.[1]));
}

describe("every page of deployments", () => {
  for (const [name, story] of Object.entries(deploymentStories)) {
    it(`${name} has captions, labels, one main heading, and the session's token in its forms`, async () => {
      const html = await renderAt(story());
      expect(unlabelled(html)).toEqual([]);
      expect(html.match(/<h1/g)).toHaveLength(1);
      expect(html.match(/<table/g)?.length ?? 0).toBe(html.match(/<caption/g)?.length ?? 0);
      expect(html.match(/<button(?![^>]*type=)/g)).toBeNull();
      expect(html.match(/aria-live="polite"/g)?.length ?? 0).toBe(name.startsWith("deployment-") ? 1 : 0);
      for (const form of html.split("<form").slice(1)) {
        if (!form.includes('method="post"') || form.includes('action="/resources/theme"')) continue;
        expect(form.slice(0, form.indexOf("</form>"))).toContain('name="csrf" value="token-of-the-session"');
      }
    });
  }
});

describe("the list", () => {
  it("says every status as a word beside its icon, and marks the current version", async () => {
    const html = await renderAt(listStory());
    for (const status of STATUSES) {
      const row = html.slice(html.indexOf(`data-status="${status}"`));
      expect(row.slice(0, row.indexOf("</tr>"))).toMatch(new RegExp(`<svg[^>]*aria-hidden="true".*</svg>${DEPLOYMENT_WORDS[status]}`));
    }
    expect(html).toMatch(/<tr class="cur"[^>]*data-version="20261121\.3"/);
    expect(html).toMatch(/<tr class="want"[^>]*data-version="20261121\.4"/);
  });

  it("offers what can be done as links and forms, and says why the rest cannot", async () => {
    const html = await renderAt(listStory());
    const menu = html.slice(html.indexOf('aria-label="Actions for 20261121.3"'));
    expect(menu).toMatch(/data-action="promote"[^>]* href="[^"]*\/deployments\/code3\/promote"/);
    expect(menu).toContain("Cannot rollback to a newer one.");
    expect(menu).toMatch(/action="[^"]*\/deployments\/code3\?index"/);
    expect(await renderAt(listStory(true))).toContain("npx trigger.dev@4.8.3 deploy");
  });
});

describe("the phases", () => {
  it("carry the state of each row for every phase", async () => {
    for (const step of STEPS) {
      const html = await renderAt(pageStory(step as Phase, stepsUpTo(step, "open"), false));
      const states = [...html.matchAll(/data-step="(\w+)" data-state="(\w+)"/g)].map((match) => match[2]);
      expect(states).toEqual(
        STEPS.map((_, i) => (i < STEPS.indexOf(step) ? "completed" : i === STEPS.indexOf(step) ? "active" : "pending"))
      );
      expect(html).toContain('role="progressbar"');
    }
    const failed = await renderAt(pageStory("failed", stepsUpTo("building", "error"), true));
    expect(failed.match(/data-state="skipped"/g)).toHaveLength(3);
    expect(failed).toMatch(/Where<\/dt>.*src\/a\.ts:7:9.*Why<\/dt>.*Because\..*Next<\/dt>.*Fix it\./s);
  });

  it("open the active and the failed row, and no other", async () => {
    const building = await renderAt(pageStory("building", stepsUpTo("building", "open"), false));
    expect(building.match(/<details open/g)).toHaveLength(1);
    const ready = await renderAt(pageStory("ready", stepsUpTo("finalizing", "ended"), true));
    expect(ready).not.toContain("<details open");
  });

  it("link every line of the log, colour it, and escape it", async () => {
    const html = await renderAt(pageStory("failed", stepsUpTo("building", "error"), true));
    expect(html).toMatch(/<li class="e at" id="L120"><a href="#L120" aria-label="Line 120">120<\/a>/);
    expect(html).toMatch(/<i class="c-ok">install<\/i>/);
    expect(html).toContain("&lt;script&gt;");
    expect(html).toContain("117 earlier lines");
    expect(html).toContain('href="/resources/log?step=building&amp;format=text"');
  });

  it("make a report that can be pasted", () => {
    const text = reportText(pageView("failed", stepsUpTo("building", "error"), true));
    expect(text).toMatch(
      /^Deployment 20261121\.3 \(h7k2m9qd\): Failed, after 26\.0 s\nIt broke\nWhere: src\/a\.ts:7:9\nWhy: Because\.\nNext: Fix it\./
    );
    expect(text.endsWith("It broke\nin full")).toBe(true);
  });
});

describe("the confirm step", () => {
  it("asks with the object in the question and names both outcomes", async () => {
    expect(await renderAt(confirmStory("rollback"))).toMatch(/<h1>Roll back prod to <span class="mono">20261121\.2<\/span>\?<\/h1>/);
    const html = await renderAt(confirmStory("promote"));
    expect(html).toMatch(/name="intent" value="promote".*Do it.*Keep 20261121\.3/s);
    expect(html).toContain("What changes");
    expect(html).toContain("What stays as it is");
  });

  it("has no button for what is refused", async () => {
    const html = await renderAt(confirmStory("promote", "It is older."));
    expect(html).toContain("It is older.");
    expect(html).not.toContain("Do it");
  });
});
