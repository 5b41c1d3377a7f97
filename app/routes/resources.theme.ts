/** `POST /resources/theme`: the other theme, as a cookie, and back to the page. */
import { redirect, type ActionFunctionArgs } from "@remix-run/node";
import { themeCookie, themeOf, type Theme } from "../api/cookies.server";
import { asPage, field, readOpenForm, safePath } from "../api/page.server";

const NEXT: Record<Theme, Theme> = { system: "dark", dark: "light", light: "system" };

/** System, dark, light, and again: one button, and the way back to following the system. */
export function action({ request }: ActionFunctionArgs): Promise<Response> {
  return asPage(async () => {
    const form = await readOpenForm(request);
    const back = safePath(field(form, "back"), "/");
    return redirect(back, { headers: { "set-cookie": themeCookie(NEXT[themeOf(request)]) } });
  });
}
