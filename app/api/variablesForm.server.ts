/** What the page of environment variables does: add, change and delete one. */
import type { EnvironmentVariableStore } from "../environments/environmentVariables.server";
import { AppError } from "../utils/appError";
import type { Flash } from "./cookies.server";
import { field, type EnvironmentPage } from "./page.server";
import { auditPage } from "./pageAudit.server";
import { unknownIntent } from "./runActions.server";

/** What was refused, to be said beside its form; `value` is empty for a secret one. */
export type RefusedVariable = { intent: "create" | "update"; name: string; value: string; isSecret: boolean; error: string };
export type VariablesOutcome = { kind: "done"; flash: Flash } | { kind: "refused"; refused: RefusedVariable; status: number };

type Typed = { intent: string; name: string; value: string; isSecret: boolean };
type Change = { store: EnvironmentVariableStore; envId: string; slug: string; typed: Typed };

/** Throws AppError 400 for another intent, 404 for a variable that is not set. */
export async function changeVariables(page: EnvironmentPage, form: FormData, request: Request): Promise<VariablesOutcome> {
  const typed = typedVariable(form);
  const { intent, name } = typed;
  const change = { store: page.app.environments.variableStore, envId: page.env.id, slug: page.env.slug, typed };
  const audit = () => auditPage(page, request, { event: `variable.${intent}`, meta: { name } });
  if (intent === "delete") {
    await change.store.delete(page.env.id, name);
    await audit();
    return { kind: "done", flash: { kind: "ok", title: `${name} is deleted.`, text: `Runs of ${page.env.slug} start without it.` } };
  }
  if (intent !== "create" && intent !== "update") throw unknownIntent(intent);
  try {
    const flash = await (intent === "create" ? create(change) : update(change));
    await audit();
    return { kind: "done", flash };
  } catch (error) {
    // Without the variable there is no form to say it beside.
    if (!(error instanceof AppError) || error.status === 404) throw error;
    const value = typed.isSecret ? "" : typed.value;
    return { kind: "refused", refused: { ...typed, intent, value, error: error.message }, status: error.status };
  }
}

/** Browsers send the lines of a text area with CR LF, which would break a key in several lines. */
function typedVariable(form: FormData): Typed {
  return {
    intent: field(form, "intent"),
    name: field(form, "name").trim(),
    value: field(form, "value").replaceAll("\r\n", "\n"),
    isSecret: field(form, "secret") === "on",
  };
}

/** Throws AppError 400 for a name or value that cannot be used, 409 for a name that is set. */
async function create({ store, envId, slug, typed: { name, value, isSecret } }: Change): Promise<Flash> {
  const { written } = await store.import({ envId, variables: new Map([[name, value]]), override: false, isSecret });
  if (written === 0)
    throw new AppError("variable_exists", 409, `${name} is set in ${slug} already. Edit it in the list, or choose another name.`);
  return { kind: "ok", title: `${name} is added to ${slug}.`, text: "Runs that start from now on have it." };
}

/** Ticked, a plain variable becomes a secret one. Throws AppError 400 for a value that cannot be used, 404 for a name that is not set. */
async function update({ store, envId, slug, typed: { name, value, isSecret } }: Change): Promise<Flash> {
  if (isSecret) {
    await store.get(envId, name);
    await store.import({ envId, variables: new Map([[name, value]]), override: true, isSecret });
  } else {
    await store.update(envId, name, value);
  }
  return { kind: "ok", title: `${name} of ${slug} is changed.`, text: "Runs that start from now on have the new value." };
}
