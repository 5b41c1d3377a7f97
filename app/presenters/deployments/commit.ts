/** Where a deployment's code came from. Pure. */
import { z } from "zod";
import type { CommitView } from "./views";

const SHORT_SHA = 7;
const LONGEST_MESSAGE = 160;
const text = z.string().optional().catch(undefined);
const gitShape = z.object({ commitMessage: text, commitRef: text, commitSha: text, commitAuthorName: text }).catch({});

/** Groups of the `from` filter, each with the beginnings of `triggered_via` that belong to it. */
export const ORIGINS = {
  cli: { word: "CLI", via: ["cli:manual"] },
  "github-actions": { word: "GitHub Actions", via: ["cli:github_actions"] },
  ci: { word: "Other CI", via: ["cli:"] },
  git: { word: "Git integration", via: ["git_integration"] },
  redeploy: { word: "Redeploy", via: ["redeploy"] },
  api: { word: "API", via: [] },
} as const;
export type Origin = keyof typeof ORIGINS;

/** Which group a `triggered_via` is in; the first that fits. */
export function originOf(via: string | null): Origin {
  if (via === null) return "api";
  const found = (Object.keys(ORIGINS) as Origin[]).find((name) => ORIGINS[name].via.some((start) => via.startsWith(start)));
  return found ?? "api";
}

/** Sentence end such as "from GitHub Actions". */
function fromWords(via: string | null): string {
  const origin = originOf(via);
  if (origin === "redeploy") return "redeployed";
  if (origin === "ci") return "from CI";
  return origin === "git" ? "from git" : `from ${ORIGINS[origin].word}`;
}

/** What the client said of its commit; anything it did not say is null. */
export function commitOf(row: { git: Record<string, unknown> | null; commitSha: string | null; triggeredVia: string | null }): CommitView {
  const git = gitShape.parse(row.git ?? {});
  const sha = git.commitSha ?? row.commitSha;
  return {
    message: git.commitMessage?.split("\n")[0]?.slice(0, LONGEST_MESSAGE) || null,
    sha: sha?.slice(0, SHORT_SHA) || null,
    branch: git.commitRef || null,
    from: fromWords(row.triggeredVia),
  };
}

/** Beginnings of `triggered_via` that the named origins show, or null for all. `notVia` are taken out again. */
export function viaFilter(origins: readonly Origin[]): { via: string[]; notVia: string[]; none: boolean } | null {
  if (origins.length === 0) return null;
  const wanted = new Set(origins);
  const via = origins.flatMap((name) => [...ORIGINS[name].via]);
  // "cli:" is the beginning of the two finer groups as well.
  const finer = (["cli", "github-actions"] as const).filter((name) => wanted.has("ci") && !wanted.has(name));
  return { via, notVia: finer.flatMap((name) => [...ORIGINS[name].via]), none: wanted.has("api") };
}
