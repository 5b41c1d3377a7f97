/** The document around every page. */
import type { LinksFunction, LoaderFunctionArgs, MetaFunction } from "@remix-run/node";
import { Links, Meta, Outlet, Scripts, ScrollRestoration, useRouteLoaderData } from "@remix-run/react";
import type { ReactNode } from "react";
import { themeOf, type Theme } from "./api/cookies.server";
import { timeZoneOf } from "./api/page.server";
import { ErrorPage } from "./components/shell/ErrorPage";
import { TimeZoneProvider } from "./hooks/timeZone";
import stylesheet from "./tailwind.css";

export const links: LinksFunction = () => [
  { rel: "stylesheet", href: stylesheet },
  { rel: "icon", href: "/favicon.svg", type: "image/svg+xml" },
];

export const meta: MetaFunction = () => [{ title: "Sluice" }];

/** Theme and time zone are cookies, so the first paint is right and nothing flashes. */
export function loader({ request }: LoaderFunctionArgs): { theme: Theme; timeZone: string } {
  return { theme: themeOf(request), timeZone: timeZoneOf(request) };
}

/** Around pages and errors alike. Without a class the palette follows the system. */
export function Layout({ children }: { children: ReactNode }) {
  const root = useRouteLoaderData<typeof loader>("root");
  const theme = root?.theme ?? "system";
  return (
    <html lang="en" className={theme === "system" ? undefined : theme}>
      <head>
        <meta charSet="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content={theme === "system" ? "light dark" : theme} />
        <Meta />
        <Links />
      </head>
      <body>
        <TimeZoneProvider initial={root?.timeZone ?? "UTC"}>{children}</TimeZoneProvider>
        <ScrollRestoration />
        <Scripts />
      </body>
    </html>
  );
}

/** The page itself; the document is `Layout`. */
export default function Root() {
  return <Outlet />;
}

/** What failed outside of the shell. */
export function ErrorBoundary() {
  return <ErrorPage />;
}
