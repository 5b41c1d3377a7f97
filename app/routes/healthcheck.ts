/** GET /healthcheck: the process is up and answers. Says nothing of the stores; see /readiness. */
export function loader(): Response {
  return new Response("ok\n", { headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" } });
}
