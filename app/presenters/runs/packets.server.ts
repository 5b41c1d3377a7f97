/** Payloads, outputs, metadata and errors as people read them. */
import { showPacket } from "../../runs/packets/packets";
import type { DataView, ErrorView } from "../views";

/** What a page shows of one value: beyond it the reader scrolls, not reads, and the page grows heavy. */
const SHOWN_CHARACTERS = 32_768;
const STORED = "application/store";
const LONGEST_LINE = 160;

/** A stored packet as a page shows it; null data is none. */
export async function dataView(data: string | null, type: string): Promise<DataView> {
  if (data === null || data === "") return { kind: "none" };
  if (type === STORED) return { kind: "stored", text: data };
  const bytes = Buffer.byteLength(data);
  const value = await showPacket(data, type);
  if (typeof value === "string" && type === "text/plain") return cut("text", value, bytes);
  if (value === undefined) return { kind: "none" };
  return cut("json", JSON.stringify(value, null, 2) ?? String(value), bytes);
}

/** An object as a page shows it; empty is none. */
export function objectView(value: Record<string, unknown>): DataView {
  if (Object.keys(value).length === 0) return { kind: "none" };
  const text = JSON.stringify(value, null, 2);
  return cut("json", text, Buffer.byteLength(text));
}

function cut(kind: "json" | "text", text: string, bytes: number): DataView {
  return { kind, text: text.slice(0, SHOWN_CHARACTERS), bytes, cut: text.length > SHOWN_CHARACTERS };
}

type WireError = { type?: unknown; name?: unknown; message?: unknown; stackTrace?: unknown; raw?: unknown; code?: unknown };

/** A stored error (JSON text of the wire error) for reading, or null. What is not JSON is shown as it is. */
export function errorView(stored: string | null): ErrorView | null {
  if (!stored) return null;
  const error = parseError(stored);
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  switch (error.type) {
    case "BUILT_IN_ERROR":
      return { name: text(error.name) || "Error", message: text(error.message), stack: framesOf(text(error.stackTrace)) };
    case "INTERNAL_ERROR":
      return { name: text(error.code) || "Internal error", message: text(error.message), stack: framesOf(text(error.stackTrace)) };
    case "STRING_ERROR":
    case "CUSTOM_ERROR":
      return { name: "Error", message: text(error.raw), stack: null };
    default:
      return { name: text(error.name) || "Error", message: text(error.message) || text(error.raw) || stored, stack: null };
  }
}

function parseError(stored: string): WireError {
  try {
    const value: unknown = JSON.parse(stored);
    return typeof value === "object" && value !== null ? value : { raw: stored };
  } catch {
    return { raw: stored };
  }
}

/** The stack repeats name and message in its first lines; the page shows them above. */
function framesOf(stack: string): string | null {
  const lines = stack.split("\n").map((line) => line.trim());
  const first = lines.findIndex((line) => line.startsWith("at "));
  return first < 0 ? null : lines.slice(first).join("\n");
}

/** `CardDeclinedError: insufficient_funds`, one line, cut where it stops being one. */
export function errorLine(view: ErrorView): string {
  const first = view.message.split("\n")[0] ?? "";
  const line = view.name === "Error" || view.name === "" ? first || "Error" : first ? `${view.name}: ${first}` : view.name;
  return line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE - 1)}…` : line;
}
