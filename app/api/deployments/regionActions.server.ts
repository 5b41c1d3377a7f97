/** What the regions page does: agent tokens and new regions. */
import { AppError } from "../../utils/appError";
import type { Flash } from "../cookies.server";
import { field, type EnvironmentPage } from "../page.server";
import { auditPage } from "../pageAudit.server";
import { unknownIntent } from "../runActions.server";

export type RegionsOutcome =
  | { kind: "done"; flash: Flash }
  | { kind: "token"; made: { region: string; token: string } }
  | { kind: "refused"; error: string };

/** Throws AppError 400 for another intent, 404 for a region or token that is not there. */
export async function changeRegions(page: EnvironmentPage, form: FormData, request: Request): Promise<RegionsOutcome> {
  const intent = field(form, "intent");
  const audit = (event: string, meta: Record<string, unknown>) => auditPage(page, request, { event, meta });
  if (intent === "create-token") {
    const region = (await page.app.regions.directory.list()).find((candidate) => candidate.id === field(form, "region"));
    if (!region) throw new AppError("region_not_found", 404, "There is no such region. It may have been removed.");
    const made = await page.app.regions.tokens.create(region.id);
    await audit("agent_token.create", { region: region.name, token: made.obfuscated });
    return { kind: "token", made: { region: region.name, token: made.token } };
  }
  if (intent === "revoke-token") {
    await page.app.regions.tokens.revoke(field(form, "id"));
    await audit("agent_token.revoke", { id: field(form, "id") });
    return { kind: "done", flash: { kind: "ok", title: "The agent token is revoked.", text: "Agents that used it cannot call any more." } };
  }
  if (intent === "create-region") return createRegion(page, field(form, "name").trim(), audit);
  throw unknownIntent(intent);
}

async function createRegion(
  { app }: EnvironmentPage,
  name: string,
  audit: (event: string, meta: Record<string, unknown>) => Promise<void>
): Promise<RegionsOutcome> {
  try {
    const region = await app.regions.directory.ensure(name);
    await audit("region.create", { region: region.name });
    return {
      kind: "done",
      flash: { kind: "ok", title: `Region ${region.name} is there.`, text: "Create a token and start an agent with it." },
    };
  } catch (error) {
    if (error instanceof AppError && error.status === 400) return { kind: "refused", error: error.message };
    throw error;
  }
}
