import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { renderAt } from "./render";
import { rows } from "./fixtures";
import { runsStory, stories } from "./stories";

/** Pages are left here as files, to be opened in a browser beside the mock-ups. */
const FOLDER = path.resolve(import.meta.dirname, "../../.tmp/stories");

const VOID_INPUT = /<(input|select|textarea)\b[^>]*>/g;

/** Every field has a label, an accessible name, or is hidden. */
function unlabelled(html: string): string[] {
  const labels = new Set([...html.matchAll(/<label[^>]*\bfor="([^"]+)"/g)].map((match) => match[1]));
  return [...html.matchAll(VOID_INPUT)]
    .map((match) => match[0])
    .filter((tag) => !tag.includes('type="hidden"') && !tag.includes("aria-label="))
    .filter((tag) => !labels.has(/\bid="([^"]+)"/.exec(tag)?.[1]));
}

describe("every page", () => {
  for (const [name, story] of Object.entries(stories)) {
    it(`${name} renders with captions, labels and one main heading`, async () => {
      const html = await renderAt(story());
      mkdirSync(FOLDER, { recursive: true });
      writeFileSync(path.join(FOLDER, `${name}.html`), html);
      expect(unlabelled(html)).toEqual([]);
      expect(html.match(/<h1/g)).toHaveLength(1);
      expect(html.match(/<table/g)?.length ?? 0).toBe(html.match(/<caption/g)?.length ?? 0);
      expect(html.match(/<button(?![^>]*type=)/g)).toBeNull();
    });
  }

  it("sends the session's token with every form that changes something", async () => {
    for (const name of ["runs", "run", "keys", "tokens", "variables", "test"]) {
      const html = await renderAt(stories[name]?.() ?? runsStory());
      for (const form of html.split("<form").slice(1)) {
        if (!form.includes('method="post"') || form.includes('action="/resources/theme"')) continue;
        expect(form.slice(0, form.indexOf("</form>"))).toContain('name="csrf" value="token-of-the-session"');
      }
    }
  });
});

describe("the runs table", () => {
  it("says every status as a word, beside its icon", async () => {
    const html = await renderAt(runsStory());
    const words = {
      QUEUED: "Queued",
      EXECUTING: "Executing",
      RETRYING: "Retrying",
      COMPLETED: "Completed",
      FAILED: "Failed",
      CANCELED: "Canceled",
    };
    for (const [status, word] of Object.entries(words)) {
      const row = html.slice(html.indexOf(`data-status="${status}"`));
      expect(row.slice(0, row.indexOf("</tr>"))).toMatch(new RegExp(`<svg[^>]*aria-hidden="true".*</svg>${word}`));
    }
  });

  it("keeps prefix and tail of an id and the whole of it in the title", async () => {
    const html = await renderAt(runsStory());
    expect(html).toContain(">run_…r8w1zt</a>");
    expect(html).toContain(`title="${rows[0]?.friendlyId}"`);
  });

  it("offers filters as links that add and remove themselves", async () => {
    const html = await renderAt(runsStory("status=FAILED&task=fulfil-order"));
    const hrefs = [...html.matchAll(/<a ([^>]*)>/g)].map((match) => match[1] ?? "");
    const remove = hrefs.find((attributes) => attributes.includes('aria-label="Remove filter Status Failed"'));
    expect(remove).toContain('href="/orgs/acme/projects/storefront/env/prod/runs?task=fulfil-order"');
    expect(hrefs.some((attributes) => attributes.includes("/runs?status=FAILED&amp;status=EXECUTING&amp;task=fulfil-order"))).toBe(true);
  });
});

describe("the run page", () => {
  it("announces why the run waits, and prints the numbers of the split", async () => {
    const html = await renderAt(stories.run?.() ?? runsStory());
    expect(html).toMatch(/aria-live="polite".*Waiting for what it called/s);
    expect(html).toMatch(/role="img" aria-label="Queued 2\.74 s, Executing [^"]+, Failed 2\.88 s, Waiting 30 min/);
  });

  it("marks the selected span and links every other", async () => {
    const html = await renderAt(stories.run?.() ?? runsStory());
    expect(html).toMatch(/class="tlr sel"[^>]*aria-current="true"|aria-current="true"[^>]*class="tlr sel"/);
    expect(html).toContain('href="/orgs/acme/projects/storefront/env/prod/runs?span=0000000000000003"');
  });
});
