/** Uploads of strangers all the way: uploaded, created, claimed by a builder, refused by it, and nothing written. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import tar from "tar-stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { archiveOf, createBuildFixture, type BuildFixture } from "../../test/deployments/buildFixture";
import { canMount, smallDisk } from "../../test/support/smallDisk";
import { eventually } from "../testing/fixture";

type Entry = tar.Headers & { body?: string | Buffer };

const MB = 1024 * 1024;
const END_BLOCKS = 1024;
const SOURCES = { fromBundle: false, contentHash: "-" };

/** A tar as an attacker would write it: nothing is checked. */
async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const pack = tar.pack();
  for (const { body, ...header } of entries) pack.entry(header, body ?? "");
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
const archive = async (entries: readonly Entry[]) => gzipSync(await tarOf(entries));

/** 2.1 GB of zeros in 2 MB: one compressed file, repeated. */
async function bomb(): Promise<Buffer> {
  const one = await tarOf([{ name: "zeros", body: Buffer.alloc(64 * MB) }]);
  const compressed = gzipSync(one.subarray(0, one.length - END_BLOCKS), { level: 1 });
  return Buffer.concat([...Array<Buffer>(33).fill(compressed), gzipSync(Buffer.alloc(END_BLOCKS))]);
}

let f: BuildFixture;
beforeAll(async () => {
  f = await createBuildFixture();
});
afterAll(() => f.close());

describe("bad input: an archive", { timeout: 120_000 }, () => {
  let stop: () => Promise<void>;
  beforeAll(async () => {
    const { builder } = await f.builder("one");
    stop = () => builder.stop();
  });
  afterAll(() => stop());

  const many = (): Entry[] => Array.from({ length: 50_001 }, (_, at) => ({ name: `f${at}`, type: "directory" }));
  const outside = () => path.join(f.root, "outside.txt");
  const archives: [string, "bundle" | "sources", () => Promise<Buffer>, RegExp][] = [
    ["absolute paths", "sources", () => archive([{ name: outside(), body: "x" }]), /its path is absolute/],
    ["absolute paths", "bundle", () => archive([{ name: outside(), body: "x" }]), /its path is absolute/],
    ["..", "sources", () => archive([{ name: "../../../outside.txt", body: "x" }]), /its path has "\.\."/],
    ["..", "bundle", () => archive([{ name: "../../../outside.txt", body: "x" }]), /its path has "\.\."/],
    ["a link that escapes", "sources", () => archive([{ name: "l", type: "symlink", linkname: "../../.." }]), /link to a place outside/],
    ["a hard link that escapes", "sources", () => archive([{ name: "l", type: "link", linkname: "/etc/passwd" }]), /absolute/],
    [
      "a device",
      "bundle",
      () => archive([{ name: "null", type: "character-device", devmajor: 1, devminor: 3 }]),
      /it is a character-device/,
    ],
    ["50,001 entries", "bundle", () => archive(many()), /more than 50,000 entries/],
    ["a gzip bomb", "bundle", bomb, /unpacks to more than/],
    ["no archive at all", "bundle", () => Promise.resolve(Buffer.from("hello")), /damaged or not a gzipped tar/],
  ];
  it.each(archives)("bad input: an archive with %s, as %s", async (_name, kind, make, text) => {
    const over = kind === "bundle" ? {} : SOURCES;
    const id = await f.deploy(await make(), over);
    const job = await f.ended(id, 90_000);
    expect(job).toMatchObject({ state: "failed", outcome: { ok: false, kind: "user" } });
    expect(String(job.outcome?.message)).toMatch(text);
    expect((await f.lines(id)).join("\n")).toMatch(text);
    expect(await f.deployment(id)).toMatchObject({ release_digest: null, worker_version_id: null });
    expect(existsSync(outside())).toBe(false);
    expect(readdirSync(path.join(f.root, "one/work"))).toEqual([]);
  });
});

it("matrix 34, bad input: a build that runs out of disk ends with that reason, and caches go", { timeout: 60_000 }, async () => {
  if (!canMount) return;
  const disk = smallDisk(16 * 1024, path.join(f.root, "small"));
  for (const cache of ["packages", "npm"]) {
    mkdirSync(path.join(disk.dir, cache, f.prod.id), { recursive: true });
    writeFileSync(path.join(disk.dir, cache, f.prod.id, "kept"), Buffer.alloc(MB));
  }
  let roomMade = 0;
  const { builder } = await f.builder("small", { makeRoom: () => void roomMade++ });
  try {
    const id = await f.deploy(await archiveOf({ "package.json": "{}", "large.bin": Buffer.alloc(32 * MB) }), SOURCES);
    const outcome = { kind: "no_space", code: "no_disk_space", message: "Builder has no disk space" };
    expect(await f.ended(id)).toMatchObject({ state: "failed", outcome });
    expect((await f.lines(id)).join("\n")).toContain("Builder has no disk space");
    await eventually("room", () => roomMade === 1 && readdirSync(disk.dir).toSorted().join() === "work");
    expect(readdirSync(path.join(disk.dir, "work"))).toEqual([]);
  } finally {
    await builder.stop();
    disk.remove();
  }
});
