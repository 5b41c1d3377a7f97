/** Tokens of builds: `tr_<environment>_bld_…`. The CLI takes them for keys of the environment; only a few routes do. */
import { randomText } from "../../environments/tenancy/keys.server";
import type { EnvironmentSlug } from "../../environments/types";

const PREFIX: Record<EnvironmentSlug, string> = {
  dev: "tr_dev_bld_",
  staging: "tr_stg_bld_",
  prod: "tr_prod_bld_",
  preview: "tr_preview_bld_",
};
const SECRET_CHARS = 40;
const TOKEN = /^tr_(dev|stg|prod|preview)_bld_[0-9A-Za-z]{40}$/;

/** A new token for a build of an environment. */
export function mintBuildToken(slug: EnvironmentSlug): string {
  return PREFIX[slug] + randomText(SECRET_CHARS);
}

/** True for text that could be a token of a build. */
export function looksLikeBuildToken(text: string): boolean {
  return TOKEN.test(text);
}
