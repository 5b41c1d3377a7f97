import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { assertSameOrigin } from "./auth/sameOrigin.server";
import { settleOrigin } from "./pages.server";

const PUBLIC = "https://sluice.example";
const app = express();
app.use(settleOrigin((sender) => assertSameOrigin(sender, PUBLIC)));
app.all("*", (request, response) => {
  response.json({ origin: request.headers.origin ?? null, site: request.headers["sec-fetch-site"] ?? null });
});
const server = createServer(app);
let url: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

async function seen(headers: Record<string, string>): Promise<unknown> {
  const answer = await fetch(`${url}/login`, { method: "POST", headers });
  return answer.json();
}

describe("a form's origin", () => {
  it("is settled before Remix sees it: ours, by the address that was called or by PUBLIC_URL", async () => {
    expect(await seen({ origin: url })).toEqual({ origin: null, site: "same-origin" });
    expect(await seen({ origin: PUBLIC })).toEqual({ origin: null, site: "same-origin" });
  });

  it("stays another site's, whatever it is and whatever the caller claims beside it", async () => {
    for (const origin of ["https://evil.example", "null", "nonsense"]) {
      expect(await seen({ origin, "sec-fetch-site": "same-origin" })).toEqual({ origin: null, site: "cross-site" });
      expect(await seen({ origin, "x-forwarded-host": "evil.example" })).toEqual({ origin: null, site: "cross-site" });
    }
  });

  it("is left to the form's own check when the browser sent none", async () => {
    expect(await seen({})).toEqual({ origin: null, site: null });
  });
});
