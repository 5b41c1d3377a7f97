import { isRouteErrorResponse, Link, useLocation, useRouteError } from "@remix-run/react";
import { Mark } from "~/components/ui/Mark";
import type { PageError } from "~/api/page.server";

type Shown = { title: string; message: string; retry: boolean };

/** An error in words: what failed, why, and the next move. Standing alone, or `inShell` in place of the page. */
export function ErrorPage({ inShell = false }: { inShell?: boolean }) {
  const shown = describe(useRouteError());
  const { pathname, search } = useLocation();
  const list = listOf(pathname);
  const body = (
    <>
      <h1>{shown.title}</h1>
      <p className="soft">{shown.message}</p>
      <p className="row justify-center">
        {shown.retry ? (
          <a className="btn" href={pathname + search}>
            Try again
          </a>
        ) : null}
        <Link className="btn" to={list?.href ?? "/"}>
          Go to {list?.name ?? "runs"}
        </Link>
      </p>
    </>
  );
  if (inShell) return <div className="empty">{body}</div>;
  return (
    <main className="login">
      <div className="box wide">
        <header>
          <Mark size={32} />
          {body}
        </header>
      </div>
    </main>
  );
}

/** The list that the page was opened from, as far as the address tells. */
function listOf(pathname: string): { href: string; name: string } | null {
  const [href, name] = /^\/orgs\/[^/]+\/projects\/[^/]+\/env\/[^/]+\/(runs|deployments|regions|variables)/.exec(pathname) ?? [];
  return href && name ? { href, name } : null;
}

function describe(error: unknown): Shown {
  if (isRouteErrorResponse(error)) {
    const page = isPageError(error.data) ? error.data : null;
    if (page) return { ...page, retry: error.status >= 500 };
    if (error.status === 404)
      return { title: "Not found", message: "There is no page at this address. The link may be old.", retry: false };
  }
  return {
    title: "Something went wrong on our side",
    message: "The page could not be made. The server's log says why; try again in a moment.",
    retry: true,
  };
}

function isPageError(data: unknown): data is PageError {
  return typeof data === "object" && data !== null && "title" in data && "message" in data;
}
