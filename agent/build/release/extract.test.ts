import { randomBytes } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  existsSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import tar from "tar-stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BuildError } from "../errors";
import { extractArchive, type ExtractLimits } from "./extract";

type Entry = { name: string; type?: tar.Headers["type"]; linkname?: string; mode?: number; body?: string | Buffer };

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), "sluice-extract-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A gzipped archive as an attacker would write it: nothing is checked. */
async function archive(entries: readonly Entry[]): Promise<Readable> {
  const pack = tar.pack();
  for (const { body, ...header } of entries) pack.entry({ ...header }, body ?? "");
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack) chunks.push(chunk as Buffer);
  return Readable.from([gzipSync(Buffer.concat(chunks))]);
}

async function unpack(entries: readonly Entry[], limits?: Partial<ExtractLimits>) {
  const dir = path.join(root, "out");
  mkdirSync(dir, { recursive: true });
  return extractArchive({ source: await archive(entries), dir, limits });
}

const out = (name: string) => path.join(root, "out", name);

describe("18: extraction", () => {
  it("writes files, folders and links inside, with masked modes", async () => {
    const result = await unpack([
      { name: "src/", type: "directory" },
      { name: "src/a.txt", body: "a", mode: 0o4777 },
      { name: "./src/b.txt", body: "bb", mode: 0o600 },
      { name: "bin/run", type: "symlink", linkname: "../src/a.txt" },
      { name: "same.txt", type: "link", linkname: "src/b.txt" },
    ]);
    expect(result).toMatchObject({ entries: 5, bytes: 3 });
    expect(readFileSync(out("bin/run"), "utf8")).toBe("a");
    expect(readFileSync(out("same.txt"), "utf8")).toBe("bb");
    expect(statSync(out("src/a.txt")).mode & 0o7777).toBe(0o755);
    expect(statSync(out("src/b.txt")).mode & 0o7777).toBe(0o644);
    expect(readlinkSync(out("bin/run"))).toBe("../src/a.txt");
  });

  const refused: [string, Entry[], RegExp][] = [
    ["an absolute path", [{ name: "/etc/evil", body: "x" }], /"\/etc\/evil": its path is absolute/],
    ["a drive letter", [{ name: "C:evil", body: "x" }], /absolute/],
    ["..", [{ name: "a/../../evil", body: "x" }], /its path has "\.\."/],
    [".. that stays inside", [{ name: "a/../b", body: "x" }], /its path has "\.\."/],
    ["a name that no file can have", [{ name: `${"n".repeat(300)}`, body: "x" }], /too long/],
    ["a backslash", [{ name: "..\\evil", body: "x" }], /character/],
    ["a link out", [{ name: "l", type: "symlink", linkname: "../evil" }], /"l": it is a link to a place outside/],
    ["an absolute link", [{ name: "l", type: "symlink", linkname: "/etc" }], /absolute/],
    ["a hard link out", [{ name: "l", type: "link", linkname: "../../etc/passwd" }], /"\.\."/],
    ["a hard link to a file that was there before", [{ name: "l", type: "link", linkname: "nothing" }], /not in the archive/],
    ["a character device", [{ name: "dev", type: "character-device" }], /it is a character-device/],
    ["a block device", [{ name: "dev", type: "block-device" }], /it is a block-device/],
    ["a fifo", [{ name: "pipe", type: "fifo" }], /it is a fifo/],
    [
      "a file below a link",
      [
        { name: "d", type: "symlink", linkname: "." },
        { name: "d/x", body: "x" },
      ],
      /entries below a link/,
    ],
    [
      "a link that leaves through another link",
      [
        { name: "a/b/c", type: "symlink", linkname: "../.." },
        { name: "p", type: "symlink", linkname: "a/b/c/../../etc" },
      ],
      /"p": it is a link to a place outside/,
    ],
    [
      "a hard link through a link",
      [
        { name: "d", type: "symlink", linkname: "." },
        { name: "l", type: "link", linkname: "d/x" },
      ],
      /below a link/,
    ],
  ];
  it.each(refused)("refuses %s", async (_name, entries, text) => {
    const error = await unpack(entries).then(
      () => null,
      (thrown: unknown) => thrown
    );
    expect(error).toBeInstanceOf(BuildError);
    expect(error).toMatchObject({ kind: "user", message: expect.stringMatching(text) as string });
    expect(existsSync(path.join(root, "evil"))).toBe(false);
  });

  it("refuses one entry more than allowed", { timeout: 120_000 }, async () => {
    const entries = Array.from({ length: 50_001 }, (_, at) => ({ name: `f${at}`, type: "directory" as const }));
    const judged = extractArchive({ source: await archive(entries), dir: root, only: () => false });
    await expect(judged).rejects.toThrow("more than 50,000 entries");
  });

  it("refuses a gzip bomb after the limit, not after its end", async () => {
    const zeros = Buffer.alloc(8 * 1024 * 1024);
    const entries = Array.from({ length: 4 }, (_, at) => ({ name: `z${at}`, body: zeros }));
    await expect(unpack(entries, { maxBytes: 10 * 1024 * 1024 })).rejects.toThrow("unpacks to more than");
    expect(existsSync(out("z2"))).toBe(false);
  });

  it("refuses an archive that is mostly headers", async () => {
    const entries = Array.from({ length: 90 }, (_, at) => ({ name: `${"nnn/".repeat(450)}${at}`, type: "directory" as const }));
    const limits = { maxBytes: 1_000, maxEntries: 100 };
    await expect(extractArchive({ source: await archive(entries), dir: root, only: () => false, limits })).rejects.toThrow(
      "unpacks to more"
    );
  });

  it.each([
    ["no gzip", Buffer.from("this is no archive")],
    ["a cut archive", gzipSync(randomBytes(4_096)).subarray(0, 2_000)],
    ["gzip without a tar inside", gzipSync(randomBytes(4_096))],
  ])("calls %s damaged", async (_name, bytes) => {
    await expect(extractArchive({ source: Readable.from([bytes]), dir: root })).rejects.toThrow("damaged or not a gzipped tar");
  });

  it("does not write through a link that stood in the folder before", async () => {
    const outside = path.join(root, "outside");
    mkdirSync(outside);
    writeFileSync(path.join(outside, "a.txt"), "mine");
    mkdirSync(out("."), { recursive: true });
    symlinkSync(outside, out("src"));
    symlinkSync(path.join(outside, "a.txt"), out("top.txt"));
    await expect(unpack([{ name: "src/a.txt", body: "theirs" }])).rejects.toThrow("below a link");
    await unpack([{ name: "top.txt", body: "theirs" }]);
    expect(lstatSync(out("top.txt")).isSymbolicLink()).toBe(false);
    expect(readFileSync(path.join(outside, "a.txt"), "utf8")).toBe("mine");
  });

  it("takes only what was asked for and replaces what is there", async () => {
    mkdirSync(out("keep"), { recursive: true });
    writeFileSync(out("keep/mine"), "mine");
    writeFileSync(out("package.json"), "old");
    const dir = out(".");
    const entries = [
      { name: "package.json", body: "new" },
      { name: "other.txt", body: "x" },
    ];
    await extractArchive({ source: await archive(entries), dir, only: (name) => name === "package.json" });
    expect(readFileSync(out("package.json"), "utf8")).toBe("new");
    expect(existsSync(out("other.txt"))).toBe(false);
    expect(readFileSync(out("keep/mine"), "utf8")).toBe("mine");
  });

  it("hands on an error of the disk as it is", async () => {
    const dir = path.join(root, "missing");
    await expect(extractArchive({ source: await archive([{ name: "a", body: "x" }]), dir })).rejects.toMatchObject({ code: "ENOENT" });
  });
});
