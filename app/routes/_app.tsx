/** The frame around every signed-in page. */
import { data, type LoaderFunctionArgs } from "@remix-run/node";
import { Outlet, useLoaderData, useMatches, useParams, type ShouldRevalidateFunction } from "@remix-run/react";
import { CLEAR_FLASH, flashOf } from "../api/cookies.server";
import { asPage, csrfToken, environmentPath, requireUser } from "../api/page.server";
import { ErrorPage } from "../components/shell/ErrorPage";
import { Shell } from "../components/shell/Shell";
import type { Crumb } from "../components/shell/place";
import type { ShellData, ShellPlace } from "../presenters/shellView";
import { CsrfProvider } from "../components/ui/forms";
import { presentShell } from "../presenters/shell.server";
import { getApp } from "../wiring.server";

/** Projects, health, and the result of the last action, which is shown once. */
export function loader({ request, params }: LoaderFunctionArgs) {
  return asPage(async () => {
    const user = await requireUser(request);
    const flash = flashOf(request);
    const shell: ShellData = { ...(await presentShell(getApp(), { user, pathOf: environmentPath, address: params })), flash };
    const headers: Record<string, string> = flash ? { "set-cookie": CLEAR_FLASH } : {};
    return data({ shell, csrf: csrfToken(request) }, { headers });
  });
}

/** Live updates read the page again, not the frame: a banner stays until the reader goes on. */
export const shouldRevalidate: ShouldRevalidateFunction = ({ currentUrl, nextUrl, formMethod }) =>
  Boolean(formMethod) || currentUrl.pathname !== nextUrl.pathname;

type Handle = { crumbs?: (data: unknown, params: Readonly<Record<string, string | undefined>>) => Crumb[] };

export default function AppLayout() {
  const { shell, csrf } = useLoaderData<typeof loader>();
  return (
    <CsrfProvider value={csrf}>
      <Framed shell={shell}>
        <Outlet />
      </Framed>
    </CsrfProvider>
  );
}

function Framed({ shell, children }: { shell: ShellData; children: React.ReactNode }) {
  const params = useParams();
  const crumbs = useMatches().flatMap((match) => (match.handle as Handle | undefined)?.crumbs?.(match.data, match.params) ?? []);
  return (
    <Shell shell={shell} place={placeOf(shell, params)} crumbs={crumbs}>
      {children}
    </Shell>
  );
}

/** Null outside of an environment, and for one that the person may not see: then the page says so. */
function placeOf(shell: ShellData, params: Readonly<Record<string, string | undefined>>): ShellPlace | null {
  const project = shell.projects.find((candidate) => candidate.orgSlug === params.org && candidate.slug === params.project);
  const environment = project?.environments.find((candidate) => candidate.slug === params.env);
  return project && environment ? { project, environment } : null;
}

/** Errors of the frame itself; those of a page stay inside of it. */
export function ErrorBoundary() {
  return <ErrorPage />;
}
