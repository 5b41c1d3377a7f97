/** The small cookies of the dashboard: theme, and the result of an action for the next page. The session is auth's own. */
import { z } from "zod";

export type Theme = "light" | "dark" | "system";
const THEME_COOKIE = "sluice_theme";
const FLASH_COOKIE = "sluice_flash";
const YEAR_SECONDS = 31_536_000;
const FLASH_SECONDS = 60;
const LONGEST_FLASH = 1_000;

/** A cookie of the request, decoded, or null. */
export function cookieOf(request: Request, name: string): string | null {
  for (const part of (request.headers.get("cookie") ?? "").split(";")) {
    const at = part.indexOf("=");
    if (at < 0 || part.slice(0, at).trim() !== name) continue;
    try {
      return decodeURIComponent(part.slice(at + 1).trim());
    } catch {
      return null;
    }
  }
  return null;
}

/** The chosen theme; anything else follows the system. */
export function themeOf(request: Request): Theme {
  const value = cookieOf(request, THEME_COOKIE);
  return value === "light" || value === "dark" ? value : "system";
}

/** Value for `Set-Cookie`. */
export function themeCookie(theme: Theme): string {
  return `${THEME_COOKIE}=${theme}; Path=/; Max-Age=${YEAR_SECONDS}; SameSite=Lax; HttpOnly`;
}

const flashSchema = z.object({
  kind: z.enum(["ok", "bad", "hold", "run"]),
  title: z.string().max(300),
  text: z.string().max(600).optional(),
});
/** The result of an action, shown once as a banner on the next page. Never a secret: it lies in a cookie. */
export type Flash = z.infer<typeof flashSchema>;

/** Value for `Set-Cookie`. */
export function flashCookie(flash: Flash): string {
  const cut = { kind: flash.kind, title: flash.title.slice(0, 300), text: flash.text?.slice(0, 600) };
  return `${FLASH_COOKIE}=${encodeURIComponent(JSON.stringify(cut))}; Path=/; Max-Age=${FLASH_SECONDS}; SameSite=Lax; HttpOnly`;
}

/** Value for `Set-Cookie` that removes it: a flash is shown once. */
export const CLEAR_FLASH = `${FLASH_COOKIE}=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly`;

/** The flash of the request, or null when there is none or it is not one of ours. */
export function flashOf(request: Request): Flash | null {
  const text = cookieOf(request, FLASH_COOKIE);
  if (!text || text.length > LONGEST_FLASH) return null;
  try {
    const parsed = flashSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
