/** The address under which a client reached this server. */

/** It is the one that the client can reach; `publicOrigin` when the client used that, however a proxy spells it. */
export function usedOrigin(request: Request, publicOrigin: string): string {
  const used = new URL(request.url);
  if (used.host === new URL(publicOrigin).host) return publicOrigin;
  if (request.headers.get("x-forwarded-proto") === "https") used.protocol = "https:";
  return used.origin;
}
