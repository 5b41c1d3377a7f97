/** The environment variables of an environment as the page shows them: a value only where it was asked for, never a secret one. */
import type { EnvironmentView } from "../environments/types";
import type { App } from "../wiring.server";

export type VariableRow = {
  name: string;
  isSecret: boolean;
  updatedAt: number;
  /** Of a plain variable that is revealed or edited; else null. */
  value: string | null;
  editing: boolean;
};
export type VariablesView = {
  envSlug: string;
  asOf: number;
  rows: VariableRow[];
  /** Name that the form for a new one starts with; null while the form is closed. */
  adding: string | null;
};
/** What the address asks for: a variable to reveal, one to edit, and the form for a new one with a name. */
export type VariablesQuery = { reveal: string | null; edit: string | null; add: string | null };

/** The query of the page's address. */
export function parseVariablesQuery(search: URLSearchParams): VariablesQuery {
  return { reveal: search.get("reveal"), edit: search.get("edit"), add: search.get("add") };
}

/** By name. Names in the query that are not set are as if they had not been asked for. */
export async function presentVariables(
  app: Pick<App, "environments" | "clock">,
  env: Pick<EnvironmentView, "id" | "slug">,
  query: VariablesQuery
): Promise<VariablesView> {
  const variables = await app.environments.variableStore.list(env.id);
  const rows = variables.map(({ name, value, isSecret, updatedAt }): VariableRow => {
    const isShown = !isSecret && (name === query.reveal || name === query.edit);
    return { name, isSecret, updatedAt: updatedAt.getTime(), value: isShown ? value : null, editing: name === query.edit };
  });
  return { envSlug: env.slug, asOf: app.clock.now(), rows, adding: query.add ?? (rows.length === 0 ? "" : null) };
}
