/**
 * Large payloads and outputs as files in a local directory, named by environment and path, reached through signed URLs that
 * this server answers itself. The signature covers verb, environment, name and expiry, so a URL opens one packet, one
 * way, for a while. A packet is a small header line with its content type, then the bytes.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import type { Clock } from "../../platform/clock";
import { AppError } from "../../utils/appError";

export type PacketOptions = {
  /** Where packets are kept; created when missing. */
  directory: string;
  /** Signs the URLs; the same on every process that serves them. */
  secret: string;
  /** Scheme, host and port of the URLs, without a slash at the end. */
  origin: string;
  /** Seconds that a URL works. */
  urlTtlSeconds: number;
  /** Most bytes of one packet. */
  maxBytes: number;
};

export type PacketVerb = "get" | "put";
export type StoredPacket = { contentType: string; size: number; body: ReadableStream<Uint8Array> };

export interface PacketStore {
  /** A URL that allows `verb` on the packet `name` of the environment. Throws AppError 400 on a bad name. */
  presign(verb: PacketVerb, envId: string, name: string): string;
  /** The environment and name that a signed URL's query allows. Throws AppError 403 when forged or expired. */
  verify(verb: PacketVerb, name: string, query: Record<string, string>): { envId: string; name: string };
  /** Keeps the bytes; durable on return. Throws AppError 413 beyond `maxBytes`. */
  write(envId: string, name: string, data: string | AsyncIterable<Uint8Array>, contentType: string): Promise<void>;
  /** The packet, or null when there is none. */
  read(envId: string, name: string): Promise<StoredPacket | null>;
}

const MAX_NAME_LENGTH = 1_024;
const MAX_CONTENT_TYPE_LENGTH = 256;
const HEADER_BYTES = 512;

/** Packets in `options.directory`. */
export function createPacketStore(options: PacketOptions, clock: Clock): PacketStore {
  const sign = (verb: PacketVerb, envId: string, name: string, expires: number) =>
    createHmac("sha256", options.secret).update(`packet\n${verb}\n${envId}\n${name}\n${expires}`).digest();
  return {
    presign(verb, envId, name) {
      checkPacketName(name);
      const expires = Math.floor(clock.now() / 1_000) + options.urlTtlSeconds;
      const query = new URLSearchParams({
        env: envId,
        expires: String(expires),
        signature: sign(verb, envId, name, expires).toString("hex"),
      });
      return `${options.origin}/api/v1/packet-data/${name.split("/").map(encodeURIComponent).join("/")}?${query.toString()}`;
    },
    verify(verb, name, query) {
      const envId = query["env"] ?? "";
      const expires = Number(query["expires"]);
      const given = Buffer.from(query["signature"] ?? "", "hex");
      const wanted = sign(verb, envId, name, expires);
      if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
        throw new AppError("invalid_signature", 403, "This packet URL was not signed by this server. Ask for a new one.");
      }
      if (clock.now() > expires * 1_000) throw new AppError("url_expired", 403, "This packet URL has expired. Ask for a new one.");
      checkPacketName(name);
      return { envId, name };
    },
    write: (envId, name, data, contentType) => writePacket({ ...options, file: fileOf(options, envId, name), data, contentType }),
    read: (envId, name) => readPacket(fileOf(options, envId, name)),
  };
}

/** Refuses what could leave the environment's folder, or means nothing: empty, over-long, NUL, backslash, `.` and `..`. */
function checkPacketName(name: string): void {
  const segments = name.split("/");
  const bad =
    name === "" ||
    name.length > MAX_NAME_LENGTH ||
    /[\0\\]/.test(name) ||
    segments.some((part) => part === "" || part === "." || part === "..");
  if (bad)
    throw new AppError(
      "invalid_packet_name",
      400,
      `Invalid packet name: 1 to ${MAX_NAME_LENGTH} characters in parts joined by "/", without "..".`
    );
}

/** The name is hashed into the file name: no path of a caller's making ever reaches the disk. */
function fileOf(options: PacketOptions, envId: string, name: string): string {
  checkPacketName(name);
  const digest = createHash("sha256").update(`${envId}\n${name}`).digest("hex");
  return path.join(options.directory, digest.slice(0, 2), digest);
}

type Write = { file: string; data: string | AsyncIterable<Uint8Array>; contentType: string; maxBytes: number };

/** Written beside its place, synced, then renamed: a reader sees all of a packet or none. */
async function writePacket(write: Write): Promise<void> {
  const contentType = cleanContentType(write.contentType);
  await mkdir(path.dirname(write.file), { recursive: true, mode: 0o700 });
  const temporary = `${write.file}.${randomBytes(6).toString("hex")}.tmp`;
  const handle = await open(temporary, "wx", 0o600);
  try {
    await handle.writeFile(header(contentType));
    for await (const chunk of limited(write.data, write.maxBytes)) await handle.writeFile(chunk);
    await handle.sync();
    await handle.close();
    await rename(temporary, write.file);
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}

async function* limited(data: string | AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of typeof data === "string" ? [Buffer.from(data)] : data) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new AppError("packet_too_large", 413, `The packet is larger than ${maxBytes} bytes. Store less.`);
    yield chunk;
  }
}

async function readPacket(file: string): Promise<StoredPacket | null> {
  const handle = await open(file, "r").catch(noEntry);
  if (!handle) return null;
  const head = Buffer.alloc(HEADER_BYTES);
  await handle.read(head, 0, HEADER_BYTES, 0);
  const { size } = await handle.stat();
  const stream = handle.createReadStream({ start: HEADER_BYTES });
  return {
    contentType: head.toString("latin1").trimEnd(),
    size: size - HEADER_BYTES,
    body: Readable.toWeb(stream) as ReadableStream<Uint8Array>,
  };
}

function header(contentType: string): Buffer {
  return Buffer.from(contentType.padEnd(HEADER_BYTES, " "), "latin1");
}

/** The type selects the decoder of the reader, so it is kept as it came; one that cannot be a header becomes JSON. */
function cleanContentType(contentType: string): string {
  const usable = contentType.length > 0 && contentType.length <= MAX_CONTENT_TYPE_LENGTH && /^[\x20-\x7e]+$/.test(contentType);
  return usable ? contentType : "application/json";
}

function noEntry(error: NodeJS.ErrnoException): null {
  if (error.code === "ENOENT") return null;
  throw error;
}
