/** What the shell knows on every page; the loader of the app layout gives it. */
import type { EnvironmentSlug } from "~/environments/types";
import type { BannerKind } from "~/components/ui/Banner";

export type ShellEnvironment = { id: string; slug: EnvironmentSlug; paused: boolean; href: string };
export type ShellProject = { orgSlug: string; orgTitle: string; slug: string; name: string; environments: ShellEnvironment[] };
export type ShellHealth = { postgresMs: number | null; redisMs: number | null };
export type ShellFlash = { kind: BannerKind; title: string; text?: string };
export type ShellData = {
  email: string;
  version: string;
  projects: ShellProject[];
  health: ShellHealth;
  flash: ShellFlash | null;
};
/** Where the page is; null outside of an environment (tokens). */
export type ShellPlace = { project: ShellProject; environment: ShellEnvironment };

/** One part of the breadcrumb; route modules give theirs as `handle.crumb`. */
export type Crumb = { label: string; href?: string; mono?: boolean };

const GLYPHS: Record<EnvironmentSlug, string> = { prod: "prod", staging: "staging", dev: "dev", preview: "preview" };

/** Class of the environment's glyph: filled, half, hollow, dashed. */
export function glyphOf(slug: EnvironmentSlug): string {
  return `env ${GLYPHS[slug]}`;
}
