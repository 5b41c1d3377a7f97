/** Where the pages of a deployment stand in the breadcrumb. Pure: route modules of the browser use it. */

type Params = Readonly<Record<string, string | undefined>>;
type Crumb = { label: string; href?: string; mono?: boolean };

/** Deployments, then the version; before the data is there, the short code of the address. */
export function deploymentCrumbs(data: unknown, params: Params): Crumb[] {
  const version = versionOf(data) ?? params.code ?? "";
  return [listCrumb(params), { label: version, href: `${listHref(params)}/${params.code}`, mono: true }];
}

/** As above for a confirm step of the deployment. */
export function changeCrumbs(label: string): (data: unknown, params: Params) => Crumb[] {
  return (_data, params) => [listCrumb(params), { label }];
}

function listHref(params: Params): string {
  return `/orgs/${params.org}/projects/${params.project}/env/${params.env}/deployments`;
}

function listCrumb(params: Params): Crumb {
  return { label: "Deployments", href: listHref(params) };
}

function versionOf(data: unknown): string | null {
  if (typeof data !== "object" || data === null || !("view" in data)) return null;
  const { view } = data as { view: { version?: unknown } };
  return typeof view.version === "string" ? view.version : null;
}
