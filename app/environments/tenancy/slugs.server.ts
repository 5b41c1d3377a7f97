/** Names for URLs. */
import { randomText } from "./keys.server";

const MAX_SLUG = 60;
const TRIES_WITH_A_NUMBER = 20;

/** Lowercase letters, digits and single dashes; "x" when nothing of the text remains. */
function slugify(text: string): string {
  const slug = text
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, MAX_SLUG)
    .replace(/-+$/, "");
  return slug || "x";
}

/** The slug of `text`, or that with a number, or with random letters, whichever `isTaken` says is free first. */
export async function freeSlug(text: string, isTaken: (slug: string) => Promise<boolean>): Promise<string> {
  const base = slugify(text);
  for (let n = 1; n <= TRIES_WITH_A_NUMBER; n++) {
    const candidate = n === 1 ? base : `${base}-${n}`;
    if (!(await isTaken(candidate))) return candidate;
  }
  return `${base}-${randomText(8).toLowerCase()}`;
}
