/** `/login`: with a password, or with a one-time link (`?token=`), which a form consumes and no prefetch can. */
import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { useActionData, useLoaderData } from "@remix-run/react";
import { asPage, environmentPath, field, pageUrl, readOpenForm, safePath } from "../api/page.server";
import { LoginForm, LoginPage, LinkForm } from "../components/shell/LoginPage";
import { pageTitle } from "../components/shell/pageTitle";
import { homePath } from "../presenters/shell.server";
import { formatDuration } from "../utils/format";
import { getApp } from "../wiring.server";

export const meta: MetaFunction = pageTitle("Sign in");

type Problem = { title: string; text: string };
const MOST_PASSWORD = 1_024;

/** Someone signed in goes on to where they wanted. */
export function loader({ request }: LoaderFunctionArgs) {
  return asPage(async () => {
    const app = getApp();
    const { searchParams, host } = pageUrl(request);
    const user = await app.auth.session(request);
    const token = searchParams.get("token");
    if (user && !token) throw redirect(safePath(searchParams.get("next"), await homePath(app, user, environmentPath)));
    return { host, version: app.config.version, next: safePath(searchParams.get("next"), "/"), token };
  });
}

/** Sets the session's cookie, or says what is wrong: 400 for wrong credentials, 429 after too many attempts. */
export function action({ request }: ActionFunctionArgs) {
  return asPage(async () => {
    const form = await readOpenForm(request);
    const { auth } = getApp();
    const token = field(form, "token");
    const email = field(form, "email");
    const outcome = token
      ? await auth.loginWithLink(token)
      : await auth.login({ email, password: field(form, "password").slice(0, MOST_PASSWORD), request });
    if (outcome.ok) return redirect(safePath(field(form, "next"), "/"), { headers: { "set-cookie": outcome.setCookie } });
    const status = outcome.reason === "too_many_attempts" ? 429 : 400;
    return data({ problem: problemOf(outcome), email }, { status });
  });
}

type Refusal = Exclude<Awaited<ReturnType<ReturnType<typeof getApp>["auth"]["login"]>>, { ok: true }>;

function problemOf(outcome: Refusal): Problem {
  switch (outcome.reason) {
    case "wrong_credentials":
      return { title: "Email or password is wrong.", text: "Check both, or use the one-time link that npm start printed." };
    case "used_or_expired_link":
      return {
        title: "This link was used already, or is older than a day.",
        text: "Restart the server for a new one, or sign in with a password.",
      };
    case "too_many_attempts":
      return {
        title: "Too many attempts.",
        text: `Try again in ${formatDuration(outcome.retryAfterSeconds * 1000)}, or use a one-time link.`,
      };
  }
}

export default function Login() {
  const { host, version, next, token } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const problem = answer && "problem" in answer ? answer.problem : null;
  return (
    <LoginPage host={host} version={version} problem={problem}>
      {token && !problem ? (
        <LinkForm token={token} next={next} />
      ) : (
        <LoginForm next={next} email={answer && "email" in answer ? answer.email : ""} />
      )}
    </LoginPage>
  );
}
