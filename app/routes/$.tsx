/** Every address that nothing else serves: a 404 page. */
import type { MetaFunction } from "@remix-run/node";
import { ErrorPage } from "../components/shell/ErrorPage";
import { pageTitle } from "../components/shell/pageTitle";
import { AppError } from "../utils/appError";
import { asPage } from "../api/page.server";

export const meta: MetaFunction = pageTitle("Not found");

/** Always 404. */
export function loader(): Promise<never> {
  return asPage(() => Promise.reject(new AppError("page_not_found", 404, "There is no page at this address. The link may be old.")));
}

/** Never shown: the loader always throws. */
export default function NotFound() {
  return null;
}

/** The 404 in words. */
export function ErrorBoundary() {
  return <ErrorPage />;
}
