/** `/account/authorization-code/:link`: the CLI asks to act for the person signed in. The CLI polls with another id. */
import { data, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { useActionData, useLoaderData } from "@remix-run/react";
import { asPage, csrfToken, field, pageUrl, readForm, requireUser, timeZoneOf } from "../api/page.server";
import { unknownIntent } from "../api/runActions.server";
import { ApprovalPage } from "../components/shell/ApprovalPage";
import { ErrorPage } from "../components/shell/ErrorPage";
import { pageTitle } from "../components/shell/pageTitle";
import { CsrfProvider } from "../components/ui/forms";
import { AppError } from "../utils/appError";
import { clockTime } from "../utils/format";
import { getApp } from "../wiring.server";

export const meta: MetaFunction = pageTitle("Approve CLI login");

/** What is asked, and whether it can still be answered. */
export function loader({ request, params }: LoaderFunctionArgs) {
  return asPage(async () => {
    const user = await requireUser(request);
    const asked = await getApp().auth.authorizationCodes.describe(params.link ?? "");
    if (!asked) throw new AppError("login_request_not_found", 404, "There is no such login request. Run the CLI's login command again.");
    const zone = timeZoneOf(request);
    return {
      state: asked.state,
      email: user.email,
      host: pageUrl(request).host,
      askedAt: clockTime(asked.createdAt.getTime(), zone),
      expiresAt: clockTime(asked.expiresAt.getTime(), zone),
      csrf: csrfToken(request),
    };
  });
}

/** `approve` or `deny`, once. */
export function action({ request, params }: ActionFunctionArgs) {
  return asPage(async () => {
    const user = await requireUser(request);
    const form = await readForm(request);
    const intent = field(form, "intent");
    const decision = { linkId: params.link ?? "", userId: user.userId };
    const { authorizationCodes } = getApp().auth;
    if (intent === "approve") await authorizationCodes.approve(decision);
    else if (intent === "deny") await authorizationCodes.deny(decision);
    else throw unknownIntent(intent);
    return data({ decided: intent });
  });
}

export default function Approve() {
  const { csrf, ...asked } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const decided = answer?.decided === "approve" ? "approved" : answer?.decided === "deny" ? "denied" : null;
  return (
    <CsrfProvider value={csrf}>
      <ApprovalPage {...asked} state={decided ?? asked.state} />
    </CsrfProvider>
  );
}

/** Unknown, expired or decided requests, in words. */
export function ErrorBoundary() {
  return <ErrorPage />;
}
