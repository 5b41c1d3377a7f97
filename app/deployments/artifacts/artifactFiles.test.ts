/** One contract for uploads, wherever RELEASE_STORE_URL puts them; and what two servers see of each other's. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { S3Server } from "../../../test/deployments/s3Server";
import { FileTooLargeError } from "../../platform/stagedFile.server";
import type { ArtifactFiles } from "./artifactFiles.server";
import { openArtifactFiles } from "./openArtifactFiles.server";

const s3 = new S3Server();
let root: string;
beforeAll(() => s3.start());
afterAll(() => s3.stop());
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), "sluice-uploads-"));
  s3.objects.clear();
  s3.refuseWith = null;
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const KEY = `bundles/proj_a/prod/${"a".repeat(24)}.tar.gz`;
const content = Buffer.from("the bytes of a bundle");
/** The uploads of a server that has a data directory of its own. */
const server = (name: string, url: string | null) => openArtifactFiles({ url, dataDir: path.join(root, name), now: () => new Date() });
const text = async (files: ArtifactFiles) => {
  const found = await files.read(KEY);
  if (!found) return null;
  const chunks: Buffer[] = [];
  for await (const chunk of found.stream) chunks.push(chunk as Buffer);
  return `${found.bytes} ${Buffer.concat(chunks).toString()}`;
};
const incoming = (name: string) => {
  const dirs = [path.join(root, name, "artifacts/.incoming"), path.join(root, "shared/uploads/.incoming")];
  return dirs.flatMap((dir) => (existsSync(dir) ? readdirSync(dir) : []));
};

describe.each([
  ["the data directory", () => null],
  ["a shared folder", () => `file://${root}/shared`],
  ["a bucket", () => s3.url()],
])("uploads in %s", (_name, url) => {
  it("appear when they are kept, and not before", async () => {
    const files = server("one", url());
    const staged = await files.stage(KEY, Readable.from([content]), 1_000);
    expect(staged).toMatchObject({ bytes: content.length });
    expect(await text(files)).toBeNull();
    await staged.keep();
    await staged.discard();
    expect(await text(files)).toBe(`${content.length} ${content.toString()}`);
    expect(incoming("one")).toEqual([]);
    await files.remove(KEY);
    await files.remove(KEY);
    expect(await text(files)).toBeNull();
  });

  it("leave nothing when they are too long, break off, or are not kept", async () => {
    const files = server("one", url());
    await expect(files.stage(KEY, Readable.from([content]), 5)).rejects.toThrow(FileTooLargeError);
    const broken = Readable.from(
      (async function* () {
        yield content;
        await Promise.resolve();
        throw new Error("connection lost");
      })()
    );
    await expect(files.stage(KEY, broken, 1_000)).rejects.toThrow("connection lost");
    await (await files.stage(KEY, Readable.from([content]), 1_000)).discard();
    expect(incoming("one")).toEqual([]);
    expect(await text(files)).toBeNull();
  });

  it("have no other names than those that are handed out", async () => {
    const files = server("one", url());
    await expect(async () => files.read("bundles/../../etc/passwd")).rejects.toThrow("Not the key");
    await expect(async () => files.stage("x", Readable.from([content]), 1_000)).rejects.toThrow("Not the key");
  });
});

describe("two servers", () => {
  it.each([
    ["a shared folder", () => `file://${root}/shared`],
    ["a bucket", () => s3.url()],
  ])("with %s: what one received, the other reads", async (_name, url) => {
    const staged = await server("one", url()).stage(KEY, Readable.from([content]), 1_000);
    await staged.keep();
    expect(await text(server("two", url()))).toBe(`${content.length} ${content.toString()}`);
  });

  it("a bucket that refuses fails the upload with its words", async () => {
    const staged = await server("one", s3.url()).stage(KEY, Readable.from([content]), 1_000);
    s3.refuseWith = 503;
    await expect(staged.keep()).rejects.toThrow("answered 503");
  });
});
