/** `POST /logout`: ends the session here and in the database. */
import { redirect, type ActionFunctionArgs } from "@remix-run/node";
import { asPage, readForm } from "../api/page.server";
import { getApp } from "../wiring.server";

/** Opened as a link it does nothing: only the form signs out. */
export function loader(): Response {
  return redirect("/");
}

/** To the sign-in page. */
export function action({ request }: ActionFunctionArgs): Promise<Response> {
  return asPage(async () => {
    await readForm(request);
    return redirect("/login", { headers: { "set-cookie": await getApp().auth.logout(request) } });
  });
}
