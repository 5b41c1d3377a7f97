/** Uploads: what is signed, what is refused, and what is on disk afterwards. */
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDispatcher } from "../../api/dispatch/router.server";
import { action as createRoute } from "../../routes/api.v1.artifacts._index";
import { action as uploadRoute } from "../../routes/api.v1.artifacts.upload";
import { callRoute, TEST_ORIGIN } from "../../../test/testApp";
import { createApiFixture, uploadForm, type ApiFixture, type Form } from "../../../test/deployments/apiFixture";
import { canMount, smallDisk } from "../../../test/support/smallDisk";
import { createArtifactCheck } from "../workflow/artifactCheck.server";
import { FileTooLargeError } from "../../platform/stagedFile.server";
import { createArtifactFiles, type ArtifactFiles } from "./artifactFiles.server";
import { ReceiveUploadService } from "./receiveUpload.server";
import { checkUpload, signUpload } from "./uploadSignature";

describe("19: upload signature", () => {
  const secret = Buffer.from("a secret of tests");
  const grant = { key: "bundles/proj_a/prod/aaaaaaaaaaaaaaaaaaaaaaaa.tar.gz", limitBytes: 1_000, expiresAtMs: 5_000 };
  const signature = signUpload(secret, grant);

  it("holds until it expires", () => {
    expect(checkUpload(secret, grant, signature, 4_999)).toBe("ok");
    expect(checkUpload(secret, grant, signature, 5_000)).toBe("expired");
  });

  it.each([
    ["key", { ...grant, key: `${grant.key}x` }],
    ["limit", { ...grant, limitBytes: 1_001 }],
    ["expiry", { ...grant, expiresAtMs: 6_000 }],
  ])("does not hold for an altered %s", (_what, altered) => {
    expect(checkUpload(secret, altered, signature, 1)).toBe("altered");
  });

  it("does not hold for another secret, an empty or a long signature", () => {
    expect(checkUpload(Buffer.from("another"), grant, signature, 1)).toBe("altered");
    for (const given of ["", "x".repeat(10_000)]) expect(checkUpload(secret, grant, given, 1)).toBe("altered");
  });
});

describe("artifact files", () => {
  it("leaves nothing when the stream fails or is too long", async () => {
    const directory = await mkdtemp(path.join(os.tmpdir(), "sluice-artifacts-"));
    const files = createArtifactFiles(directory);
    const key = `bundles/proj_a/prod/${"a".repeat(24)}.tar.gz`;
    const broken = Readable.from(
      (async function* () {
        yield Buffer.from("some");
        throw new Error("the line went dead");
      })()
    );
    await expect(files.stage(key, broken, 100)).rejects.toThrow("the line went dead");
    await expect(files.stage(key, Readable.from([Buffer.alloc(101)]), 100)).rejects.toThrow(FileTooLargeError);
    expect(await readdir(path.join(directory, ".incoming"))).toEqual([]);
    expect(await files.read(key)).toBeNull();
    await rm(directory, { recursive: true });
  });

  it("refuses what a nearly full disk takes only a part of, and leaves nothing", async () => {
    if (!canMount) return;
    const disk = smallDisk(64);
    const files = createArtifactFiles(disk.dir);
    const key = `bundles/proj_a/prod/${"a".repeat(24)}.tar.gz`;
    try {
      await expect(files.stage(key, Readable.from([Buffer.alloc(1_000_000)]), 2_000_000)).rejects.toMatchObject({ code: "ENOSPC" });
      expect(await readdir(path.join(disk.dir, ".incoming"))).toEqual([]);
      expect(await files.read(key)).toBeNull();
    } finally {
      disk.remove();
    }
  });

  it.each(["../x", "bundles/../../etc/passwd", "bundles/a/prod/short.tar.gz", "bundles/a/prod/AAAAAAAAAAAAAAAAAAAAAAAA.tar.gz\n"])(
    "makes no path of %j",
    async (key) => {
      await expect(createArtifactFiles("/nowhere").read(key)).rejects.toThrow("Not the key");
    }
  );
});

describe("routes", () => {
  let f: ApiFixture;
  beforeAll(async () => {
    f = await createApiFixture();
  });
  afterAll(() => f.close());

  const raw = (init: RequestInit) =>
    uploadRoute({ request: new Request(`${TEST_ORIGIN}/x`, { method: "POST", ...init }), params: {}, context: {} });
  const verify = (key: string) => createArtifactCheck({ pool: f.services.pool, files: f.app.deployments.artifacts.files }).verify(key);
  const row = async (key: string) =>
    (await f.sql<{ state: string; bytes: number; sha256: string }>("SELECT state, bytes, sha256 FROM artifact WHERE key = $1", [key]))[0];

  it("40: gives bundles a key that begins with bundles/, sources one that begins with deployments/", async () => {
    const bundle = await f.artifact("deployment_bundle");
    expect(bundle.artifactKey).toMatch(new RegExp(`^bundles/${f.prod.project.ref}/prod/[0-9a-z]{24}\\.tar\\.gz$`));
    expect((await f.artifact("deployment_context")).artifactKey).toMatch(/^deployments\//);
    expect(bundle.uploadUrl).toBe(`${TEST_ORIGIN}/api/v1/artifacts/upload`);
    expect(Object.keys(bundle.uploadFields)).toEqual(["key", "Content-Type", "expires", "signature"]);
    expect(Date.parse(bundle.expiresAt)).toBeGreaterThan(f.clock.now());
  });

  it.each([
    ["deployment_context", 100],
    ["deployment_bundle", 250],
  ])("38: refuses a %s over %i MB with the CLI's text", async (type, limit) => {
    const mb = 1024 * 1024;
    const call = (contentLength: number) => callRoute({ action: createRoute }, { token: f.token, body: { type, contentLength } });
    expect((await call(limit * mb)).status).toBe(201);
    const { status, body } = await call((limit + 1) * mb);
    expect(status).toBe(400);
    expect(body.error).toContain(
      `Artifact size (${limit + 1}.00 MB) exceeds the allowed limit of ${limit} MB. Make sure you are in the correct directory`
    );
  });

  it("names the issues of a bad body, and wants a key", async () => {
    const bad = await callRoute({ action: createRoute }, { token: f.token, body: { type: "image", contentLength: -1 } });
    expect(bad).toMatchObject({ status: 400, body: { error: "Invalid request body" } });
    expect(bad.body.issues).toHaveLength(2);
    expect((await callRoute({ action: createRoute }, { body: {} })).status).toBe(401);
    expect((await callRoute({ action: createRoute }, { method: "PUT", token: f.token, body: {} })).status).toBe(405);
  });

  it("bad input: the same key with other bytes is a 409, with the same bytes it is fine", async () => {
    const form = await f.artifact();
    expect((await f.send(form, "bytes")).status).toBe(204);
    expect((await f.send(form, "bytes")).status).toBe(204);
    expect(await row(form.artifactKey)).toMatchObject({ state: "uploaded", bytes: 5 });
    expect(await verify(form.artifactKey)).toBeNull();
    const differs = await f.send(form, "other");
    expect(differs.status).toBe(409);
    expect(differs.headers.get("x-should-retry")).toBe("false");
    const file = await f.app.deployments.artifacts.files.read(form.artifactKey);
    expect(file && Buffer.concat(await Readable.from(file.stream).toArray()).toString()).toBe("bytes");
  });

  it("keeps one whole file when two differ and race", async () => {
    const form = await f.artifact();
    const contents = ["a".repeat(200_000), "b".repeat(200_000)];
    const statuses = (await Promise.all(contents.map((content) => f.send(form, content)))).map(({ status }) => status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([204, 409]);
    expect(await verify(form.artifactKey)).toBeNull();
  });

  describe("while a file travels to a store far away", () => {
    /** An upload over a store that takes its time, or fails. */
    const sendSlowly = (form: Form, content: string, travel: () => Promise<void>) => {
      const { files } = f.app.deployments.artifacts;
      const slow: ArtifactFiles = {
        ...files,
        stage: async (...args) => {
          const staged = await files.stage(...args);
          return { ...staged, keep: () => travel().then(() => staged.keep()) };
        },
      };
      const secret = f.app.environments.secretBox.derive("artifact-uploads");
      const service = new ReceiveUploadService({ pool: f.services.pool, clock: f.clock, secret, files: slow });
      return service.call(new Request(`${TEST_ORIGIN}/x`, { method: "POST", body: uploadForm(form, content) }));
    };
    const LOCK_SQL = "SELECT 1 FROM artifact WHERE key = $1 FOR UPDATE NOWAIT";

    it("locks nothing, refuses other bytes, and takes the same ones", async () => {
      const form = await f.artifact();
      let arrive = () => undefined as void;
      const arrived = new Promise<void>((resolve) => (arrive = resolve));
      let first = Promise.resolve();
      await new Promise<void>((departed) => {
        first = sendSlowly(form, "bytes", () => {
          departed();
          return arrived;
        });
      });
      expect(await f.sql(LOCK_SQL, [form.artifactKey])).toHaveLength(1);
      expect((await f.send(form, "other")).status).toBe(409);
      expect((await row(form.artifactKey))?.state).toBe("pending");
      expect((await f.send(form, "bytes")).status).toBe(204);
      arrive();
      await first;
      expect(await row(form.artifactKey)).toMatchObject({ state: "uploaded", bytes: 5 });
      expect(await verify(form.artifactKey)).toBeNull();
    });

    it("may be sent again when the store fails, and only the same bytes", async () => {
      const form = await f.artifact();
      await expect(sendSlowly(form, "bytes", () => Promise.reject(new Error("503")))).rejects.toThrow("503");
      expect((await row(form.artifactKey))?.state).toBe("pending");
      expect((await f.send(form, "other")).status).toBe(409);
      expect((await f.send(form, "bytes")).status).toBe(204);
      expect(await verify(form.artifactKey)).toBeNull();
    });

    it("leaves no file behind when the artifact was swept meanwhile", async () => {
      const form = await f.artifact();
      const sweep = () => f.sql("UPDATE artifact SET state = 'deleted' WHERE key = $1", [form.artifactKey]).then(() => undefined);
      await expect(sendSlowly(form, "bytes", sweep)).rejects.toMatchObject({ code: "artifact_used" });
      expect(await f.app.deployments.artifacts.files.read(form.artifactKey)).toBeNull();
    });
  });

  it("39, bad input: refuses a wrong signature, a form without fields, and an expired one, before it reads the file", async () => {
    const form = await f.artifact();
    const altered = { uploadFields: { ...form.uploadFields, expires: String(Number(form.uploadFields.expires) + 60_000) } };
    expect((await f.send(altered, "x")).status).toBe(403);
    expect((await f.send({ uploadFields: {} }, "x")).status).toBe(403);
    f.clock.advance(5 * 60_000);
    const late = await f.send(form, "x");
    expect(late.status).toBe(403);
    expect(await late.json()).toMatchObject({ code: "upload_expired" });
    expect((await row(form.artifactKey))?.state).toBe("pending");
  });

  it("bad input: stops at the limit with 413", async () => {
    const form = await f.artifact();
    await f.sql("UPDATE artifact SET limit_bytes = 1000 WHERE key = $1", [form.artifactKey]);
    const secret = f.app.environments.secretBox.derive("artifact-uploads");
    const expiresAtMs = Number(form.uploadFields.expires);
    const signature = signUpload(secret, { key: form.artifactKey, limitBytes: 1_000, expiresAtMs });
    const small = { uploadFields: { ...form.uploadFields, signature } };
    expect((await f.send(small, "x".repeat(1_001))).status).toBe(413);
    expect((await row(form.artifactKey))?.state).toBe("pending");
    expect((await f.send(small, "x".repeat(1_000))).status).toBe(204);
    expect((await f.send(form, "x")).status).toBe(403);
  });

  it("answers over a real connection before a body that is too long or badly signed has ended", async () => {
    const routes = { upload: { id: "upload", path: "api/v1/artifacts/upload", module: { action: uploadRoute } } };
    const listener = createDispatcher({ routes, log: f.services.log, fallback: (_request, response) => response.end() });
    const server = http.createServer(listener).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/artifacts/upload`;
    const send = (fields: Record<string, string>, bytes: number) => {
      const form = new FormData();
      for (const [name, value] of Object.entries(fields)) form.append(name, value);
      form.append("file", new Blob([new Uint8Array(bytes)]), "deployment.tar.gz");
      return fetch(url, { method: "POST", body: form });
    };
    const { uploadFields, artifactKey } = await f.artifact();
    expect((await send({ ...uploadFields, signature: "x" }, 8_000_000)).status).toBe(403);
    expect((await send(uploadFields, 8_000_000)).status).toBe(204);
    expect((await row(artifactKey))?.bytes).toBe(8_000_000);
    const small = await f.artifact();
    await f.sql("UPDATE artifact SET limit_bytes = 1000 WHERE key = $1", [small.artifactKey]);
    const grant = { key: small.artifactKey, limitBytes: 1_000, expiresAtMs: Number(small.uploadFields.expires) };
    const signature = signUpload(f.app.environments.secretBox.derive("artifact-uploads"), grant);
    expect((await send({ ...small.uploadFields, signature }, 8_000_000)).status).toBe(413);
    server.closeAllConnections();
    server.close();
  });

  it.each([
    ["no form", { body: "hello", headers: { "content-type": "text/plain" } }],
    ["an empty form", { body: "--b--\r\n", headers: { "content-type": "multipart/form-data; boundary=b" } }],
    [
      "a form that is cut short",
      {
        body: '--b\r\ncontent-disposition: form-data; name="key"\r\n\r\nx',
        headers: { "content-type": "multipart/form-data; boundary=b" },
      },
    ],
    ["nothing", {}],
  ])("answers %s with 400", async (_what, init) => {
    expect((await raw(init)).status).toBe(400);
  });

  it("leaves nothing behind when the client goes away in the middle of the file", async () => {
    const form = await f.artifact();
    const head = Object.entries(form.uploadFields)
      .map(([name, value]) => `--b\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`)
      .join("");
    const text = `${head}--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\ncontent-type: application/gzip\r\n\r\nhalf of`;
    expect((await raw({ body: text, headers: { "content-type": "multipart/form-data; boundary=b" } })).status).toBe(400);
    expect((await row(form.artifactKey))?.state).toBe("pending");
    expect((await f.send(form, "whole")).status).toBe(204);
  });

  it("refuses another upload once a deployment has taken the artifact", async () => {
    await f.holdOff();
    const form = await f.artifact();
    await f.send(form, "bytes");
    expect((await f.post({ artifactKey: form.artifactKey })).status).toBe(200);
    expect((await f.send(form, "bytes")).status).toBe(409);
  });

  it("lets a token with write:deployments upload, and no other", async () => {
    const signed = (scopes: string[]) => f.app.auth.signPublicToken(f.prod, { scopes });
    const call = (token: string) => callRoute({ action: createRoute }, { token, body: {} });
    expect((await call(signed(["read:deployments"]))).status).toBe(403);
    expect((await call(signed(["write:deployments"]))).status).toBe(201);
  });
});
