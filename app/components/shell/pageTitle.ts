import { isRouteErrorResponse } from "@remix-run/react";

type MetaInput<Data> = { data: Data | undefined; error?: unknown };

/**
 * `meta` of a page: its title, or what happened instead of it. `titleOf` may read what the loader gave; it is asked only
 * when there is something.
 */
export function pageTitle<Data>(title: string, titleOf?: (data: Data) => string): (input: MetaInput<Data>) => { title: string }[] {
  return ({ data, error }) => {
    const shown = error ? errorTitle(error) : data && titleOf ? titleOf(data) : title;
    return [{ title: `${shown} · Sluice` }];
  };
}

function errorTitle(error: unknown): string {
  if (!isRouteErrorResponse(error)) return "Something went wrong";
  const data: unknown = error.data;
  const isNamed = typeof data === "object" && data !== null && "title" in data && typeof data.title === "string";
  if (isNamed) return String(data.title);
  return error.status === 404 ? "Not found" : "Something went wrong";
}
