/** Run metadata: always one JSON object of at most 256 KB, stored as plain JSON text. */
import { AppError } from "../../utils/appError";
import { decodePacket, showPacket } from "../packets/packets";
import { MAX_METADATA_BYTES } from "../types";

export type Metadata = Record<string, unknown>;

/** Metadata given with a trigger, as JSON text; null without any. An object, or a packet of the named type. */
export async function encodeMetadata(metadata: unknown, metadataType: string | undefined): Promise<string | null> {
  if (metadata === undefined || metadata === null) return null;
  // Text that does not decode stays text, which is no object and is refused as such.
  const value = typeof metadata === "string" ? await showPacket(metadata, metadataType ?? "application/json") : metadata;
  return stringifyMetadata(value);
}

/** JSON text of a metadata document. Throws AppError: 400 when it is no object, 413 when it is too large. */
export function stringifyMetadata(value: unknown): string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new AppError("invalid_metadata", 400, "Invalid metadata: it must be a JSON object.");
  }
  const text = JSON.stringify(value);
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_METADATA_BYTES) {
    throw new AppError(
      "metadata_too_large",
      413,
      `The metadata has ${bytes} bytes as JSON, the most is ${MAX_METADATA_BYTES}. Store less.`
    );
  }
  return text;
}

/** The stored document; an unreadable one reads as empty, so that a run never becomes unreadable for its metadata. */
export async function parseMetadata(text: string | null, type: string): Promise<Metadata | undefined> {
  if (text === null || text === "") return undefined;
  const value = await decodePacket(text, type).catch(() => undefined);
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Metadata) : undefined;
}
