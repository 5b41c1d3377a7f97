import { once } from "node:events";
import http from "node:http";
import { describe, expect, it } from "vitest";
import { createHttpServer } from "./httpServer.server";

describe("http server", () => {
  it("lets a request in flight end, and refuses new ones", async () => {
    let finish: () => void = () => undefined;
    const http1 = createHttpServer((_request, response) => {
      finish = () => response.end("done");
    });
    const port = await http1.listen(0, "127.0.0.1");
    const agent = new http.Agent({ keepAlive: true });
    const answer = new Promise<string>((resolve) => {
      http.get({ port, host: "127.0.0.1", agent }, (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () => resolve(text));
      });
    });
    await once(http1.server, "request");
    const closed = http1.close(10_000);
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
    finish();
    expect(await answer).toBe("done");
    await closed;
    agent.destroy();
  });

  it("cuts what does not end in time", async () => {
    const http1 = createHttpServer(() => undefined);
    const port = await http1.listen(0, "127.0.0.1");
    const hanging = fetch(`http://127.0.0.1:${port}/`).catch((error: Error) => error);
    await once(http1.server, "request");
    await http1.close(50);
    expect(await hanging).toBeInstanceOf(Error);
  });

  it("says what to do when the port is taken", async () => {
    const first = createHttpServer(() => undefined);
    const port = await first.listen(0, "127.0.0.1");
    await expect(createHttpServer(() => undefined).listen(port, "127.0.0.1")).rejects.toThrow(/in use.*PORT/);
    await first.close(0);
  });
});
