/** A small S3 in the test's process that checks signatures itself, from what arrived. */
import { createHash, createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";

const SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/** The signature as a service computes it, from what arrived. */
function isSigned(request: IncomingMessage, body: Buffer): boolean {
  const match =
    /^AWS4-HMAC-SHA256 Credential=AKID\/(\d{8})\/eu-west-1\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      request.headers.authorization ?? ""
    );
  if (!match) return false;
  const [, day = "", names = "", signature] = match;
  const headers = names.split(";").map((name) => `${name}:${String(request.headers[name])}\n`);
  const hash = String(request.headers["x-amz-content-sha256"]);
  if (hash !== createHash("sha256").update(body).digest("hex")) return false;
  const [resource = "", query = ""] = (request.url ?? "").split("?");
  const canonical = [request.method, resource, query, headers.join(""), names, hash].join("\n");
  const stamp = String(request.headers["x-amz-date"]);
  const scope = `${day}/eu-west-1/s3/aws4_request`;
  const toSign = ["AWS4-HMAC-SHA256", stamp, scope, createHash("sha256").update(canonical).digest("hex")].join("\n");
  const key = ["eu-west-1", "s3", "aws4_request"].reduce(
    (from: Buffer, part) => createHmac("sha256", from).update(part).digest(),
    createHmac("sha256", `AWS4${SECRET}`).update(day).digest()
  );
  return createHmac("sha256", key).update(toSign).digest("hex") === signature;
}

type S3Answer = { status: number; body?: Buffer | string; headers?: Record<string, string | number> };

export class S3Server {
  readonly objects = new Map<string, Buffer>();
  /** Status of every answer, when set. */
  refuseWith: number | null = null;
  private server: Server | undefined;

  async start(): Promise<this> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { status, body, headers } = this.answerTo(request, Buffer.concat(chunks));
        response.writeHead(status, headers ?? {}).end(request.method === "HEAD" ? undefined : body);
      });
    });
    this.server = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  stop(): void {
    this.server?.close();
  }

  /** As RELEASE_STORE_URL. */
  url(secret = SECRET): string {
    const { port } = this.address;
    return `s3://AKID:${encodeURIComponent(secret)}@builds/team%20a/x?region=eu-west-1&endpoint=http://127.0.0.1:${port}`;
  }

  private get address(): AddressInfo {
    const address = this.server?.address();
    if (typeof address === "object" && address) return address;
    throw new Error("The server is not started.");
  }

  private answerTo(request: IncomingMessage, body: Buffer): S3Answer {
    const name = request.url ?? "";
    if (this.refuseWith !== null) return { status: this.refuseWith, body: "<Error>SlowDown</Error>" };
    if (!isSigned(request, body)) return { status: 403, body: "<Error>SignatureDoesNotMatch</Error>" };
    if (request.method === "PUT") {
      this.objects.set(name, body);
      return { status: 200 };
    }
    if (request.method === "DELETE") return { status: this.objects.delete(name) ? 204 : 404 };
    const found = this.objects.get(name);
    if (!found) return { status: 404, body: "<Error>NoSuchKey</Error>" };
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    const part = range ? found.subarray(Number(range[1]), Number(range[2]) + 1) : found;
    return { status: range ? 206 : 200, body: part, headers: { "content-length": part.length } };
  }
}
