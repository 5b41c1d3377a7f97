/** Scopes of public tokens: `action`, `action:type` or `action:type:id`; an id may itself contain colons. */
import type { Action, Resource } from "./types";

/** Actions that a scope's action also allows. `write:tasks` is what older SDKs asked for in order to trigger. */
const ALSO_ALLOWS: Record<string, readonly Action[]> = {
  write: ["trigger", "batchTrigger"],
};

type Scope = { action: string; type: string | null; id: string | null };

/** Splits at the first two colons only. */
function parseScope(text: string): Scope {
  const first = text.indexOf(":");
  if (first < 0) return { action: text, type: null, id: null };
  const second = text.indexOf(":", first + 1);
  if (second < 0) return { action: text.slice(0, first), type: text.slice(first + 1), id: null };
  return { action: text.slice(0, first), type: text.slice(first + 1, second), id: text.slice(second + 1) };
}

/** True when one of `scopes` allows `action` on any of the resources. `admin` allows everything; `read:all` all reads. */
export function scopesAllow(scopes: readonly string[], action: Action, anyOf: readonly Resource[]): boolean {
  return scopes.some((text) => {
    const scope = parseScope(text);
    if (scope.action === "admin") return scope.type === null || scope.type === "all";
    if (!actionCovers(scope, action)) return false;
    if (scope.type === "all") return scope.id === null;
    return anyOf.some((resource) => resource.type === scope.type && (scope.id === null || scope.id === resource.id));
  });
}

function actionCovers(scope: Scope, action: Action): boolean {
  if (scope.action === action) return true;
  return scope.type === "tasks" && (ALSO_ALLOWS[scope.action]?.includes(action) ?? false);
}
