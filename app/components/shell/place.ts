/** How a page says where it is. */
import type { EnvironmentSlug } from "~/environments/types";

/** One part of the breadcrumb; route modules give theirs as `handle.crumbs`. */
export type Crumb = { label: string; href?: string; mono?: boolean };

/** Class of the environment's glyph: filled, half, hollow, dashed. Environments differ by it, not by colour. */
export function glyphOf(slug: EnvironmentSlug): string {
  return `env ${slug}`;
}
