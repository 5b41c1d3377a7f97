/** Renders components to markup inside a router, as the server does. */
import type { ReactElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { createStaticHandler, createStaticRouter, StaticRouterProvider } from "react-router-dom/server";
import { TimeZoneProvider } from "~/hooks/timeZone";

/** Markup of the element at `path`. */
export async function renderAt(element: ReactElement, path = "/orgs/acme/projects/storefront/env/prod/runs"): Promise<string> {
  const routes = [{ path: "*", element: <TimeZoneProvider initial="UTC">{element}</TimeZoneProvider> }];
  const handler = createStaticHandler(routes);
  const context = await handler.query(new Request(`http://sluice.test${path}`));
  if (context instanceof Response) throw new Error(`The page answered ${context.status}.`);
  return renderToStaticMarkup(
    <StaticRouterProvider router={createStaticRouter(handler.dataRoutes, context)} context={context} hydrate={false} />
  );
}
