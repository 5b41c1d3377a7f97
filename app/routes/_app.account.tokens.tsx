/** `/account/tokens`: personal access tokens. A new one is shown once, in the answer to its form. */
import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { useActionData, useLoaderData } from "@remix-run/react";
import { flashCookie } from "../api/cookies.server";
import { asPage, field, readForm, requireUser } from "../api/page.server";
import { unknownIntent } from "../api/runActions.server";
import { CreateToken, NewTokenBanner, TokensTable } from "../components/settings/Tokens";
import { ErrorPage } from "../components/shell/ErrorPage";
import { pageTitle } from "../components/shell/pageTitle";
import { AppError } from "../utils/appError";
import { getApp } from "../wiring.server";

export const handle = { crumbs: () => [{ label: "Access tokens" }] };
export const meta: MetaFunction = pageTitle("Access tokens");

/** Only the person's own tokens, cut. */
export function loader({ request }: LoaderFunctionArgs) {
  return asPage(async () => {
    const user = await requireUser(request);
    const app = getApp();
    const tokens = (await app.auth.tokens.list(user.userId)).map((token) => ({
      ...token,
      createdAt: token.createdAt.getTime(),
      lastUsedAt: token.lastUsedAt?.getTime() ?? null,
    }));
    return { tokens, asOf: app.clock.now() };
  });
}

/** `create` answers with the token itself; `revoke` goes back to the list. */
export function action({ request }: ActionFunctionArgs) {
  return asPage(async () => {
    const user = await requireUser(request);
    const form = await readForm(request);
    const intent = field(form, "intent");
    const { tokens } = getApp().auth;
    if (intent === "revoke") {
      await tokens.revoke({ userId: user.userId, id: field(form, "id") });
      return redirect("/account/tokens", {
        headers: { "set-cookie": flashCookie({ kind: "ok", title: "The token is revoked.", text: "It stopped working." }) },
      });
    }
    if (intent !== "create") throw unknownIntent(intent);
    try {
      const { token } = await tokens.create({ userId: user.userId, name: field(form, "name") });
      return data({ token, error: null });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return data({ token: null, error: error.message }, { status: error.status });
    }
  });
}

export default function TokensPage() {
  const { tokens, asOf } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  return (
    <>
      <section className="head">
        <div className="grow">
          <h1>Access tokens</h1>
          <p className="soft">A personal access token acts as you: the CLI signs in with one.</p>
        </div>
      </section>
      <div className="read">
        {answer?.token ? <NewTokenBanner token={answer.token} /> : null}
        <CreateToken error={answer?.error ?? null} key={tokens.length} />
        <TokensTable tokens={tokens} asOf={asOf} />
      </div>
    </>
  );
}

/** In place of the page; the frame stays. */
export function ErrorBoundary() {
  return <ErrorPage inShell />;
}
