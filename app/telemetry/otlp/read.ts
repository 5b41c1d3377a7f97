/**
 * From an OTLP request object to the model. Takes the JSON form in all its spellings: nanoseconds as strings or numbers,
 * ids as hex (OTLP JSON) or base64 (plain protobuf JSON), enum values as numbers or names. What is missing or of another
 * type reads as absent; only a request that is no object at all is an error, and that is the caller's to say.
 */
import type { OtlpAttributes, OtlpEvent, OtlpLog, OtlpResource, OtlpSpan, OtlpValue } from "./model";

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;
/** Deeper values are cut: they would cost more to show than they tell. */
const MAX_VALUE_DEPTH = 12;

type Fields = Record<string, unknown>;

/** Spans of an `ExportTraceServiceRequest`. */
export function readTraces(request: unknown): OtlpResource<OtlpSpan>[] {
  return list(request, "resourceSpans").map((resource) => ({
    attributes: resourceAttributes(resource),
    items: list(resource, "scopeSpans").flatMap((scope) => list(scope, "spans").map(readSpan)),
  }));
}

/** Records of an `ExportLogsServiceRequest`. */
export function readLogs(request: unknown): OtlpResource<OtlpLog>[] {
  return list(request, "resourceLogs").map((resource) => ({
    attributes: resourceAttributes(resource),
    items: list(resource, "scopeLogs").flatMap((scope) => list(scope, "logRecords").map(readLog)),
  }));
}

/** True for anything that could be a request: both shapes are objects. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readSpan(span: Fields): OtlpSpan {
  const status = isFields(span.status) ? span.status : {};
  return {
    traceId: readId(span.traceId, TRACE_ID_BYTES),
    spanId: readId(span.spanId, SPAN_ID_BYTES),
    parentSpanId: readId(span.parentSpanId, SPAN_ID_BYTES),
    name: text(span.name) ?? "",
    startNs: nanos(span.startTimeUnixNano),
    endNs: nanos(span.endTimeUnixNano),
    attributes: readAttributes(span.attributes),
    events: list(span, "events").map(readEvent),
    statusCode: status.code === "STATUS_CODE_ERROR" ? 2 : number(status.code),
    statusMessage: text(status.message),
  };
}

function readEvent(event: Fields): OtlpEvent {
  return { name: text(event.name) ?? "", timeNs: nanos(event.timeUnixNano), attributes: readAttributes(event.attributes) };
}

function readLog(record: Fields): OtlpLog {
  const timeNs = nanos(record.timeUnixNano);
  return {
    traceId: readId(record.traceId, TRACE_ID_BYTES),
    spanId: readId(record.spanId, SPAN_ID_BYTES),
    timeNs: timeNs > 0n ? timeNs : nanos(record.observedTimeUnixNano),
    severityNumber: number(record.severityNumber),
    severityText: text(record.severityText) ?? "",
    body: readValue(record.body, 0),
    attributes: readAttributes(record.attributes),
  };
}

function resourceAttributes(resource: Fields): OtlpAttributes {
  return isFields(resource.resource) ? readAttributes(resource.resource.attributes) : new Map();
}

function readAttributes(value: unknown): OtlpAttributes {
  const out = new Map<string, OtlpValue>();
  if (!Array.isArray(value)) return out;
  for (const entry of value) {
    if (isFields(entry) && typeof entry.key === "string") out.set(entry.key, readValue(entry.value, 0));
  }
  return out;
}

function readValue(value: unknown, depth: number): OtlpValue {
  if (!isFields(value) || depth > MAX_VALUE_DEPTH) return null;
  if (typeof value.stringValue === "string") return value.stringValue;
  if (typeof value.boolValue === "boolean") return value.boolValue;
  if (value.intValue !== undefined) return integer(value.intValue);
  if (value.doubleValue !== undefined) return finite(value.doubleValue);
  if (isFields(value.arrayValue)) return list(value.arrayValue, "values").map((item) => readValue(item, depth + 1));
  if (isFields(value.kvlistValue)) return readMap(value.kvlistValue, depth);
  return text(value.bytesValue);
}

function readMap(value: Fields, depth: number): OtlpValue {
  const out: { [key: string]: OtlpValue } = Object.create(null);
  for (const entry of list(value, "values")) {
    if (typeof entry.key === "string") out[entry.key] = readValue(entry.value, depth + 1);
  }
  return out;
}

/** Hex of the wanted length, or base64 of that many bytes; all zeros means "none" in OTLP. */
function readId(value: unknown, bytes: number): string | null {
  if (typeof value !== "string") return null;
  const hex = value.length === bytes * 2 && /^[0-9a-fA-F]+$/.test(value) ? value.toLowerCase() : base64ToHex(value, bytes);
  return hex === null || /^0+$/.test(hex) ? null : hex;
}

function base64ToHex(value: string, bytes: number): string | null {
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(value)) return null;
  const decoded = Buffer.from(value, "base64");
  return decoded.length === bytes ? decoded.toString("hex") : null;
}

/** Numbers lose their last digits beyond 2^53, which is 100 ns of a time of today: good enough for those who send them. */
function nanos(value: unknown): bigint {
  if (typeof value === "string" && /^\d{1,19}$/.test(value)) return BigInt(value);
  if (typeof value === "number" && Number.isFinite(value) && value >= 0 && value < 2 ** 63) return BigInt(Math.round(value));
  return 0n;
}

/** int64 travels as text; beyond 2^53 the text is kept, so that no digit is invented. */
function integer(value: unknown): OtlpValue {
  if (typeof value === "number") return finite(value);
  if (typeof value !== "string" || !/^-?\d{1,19}$/.test(value)) return null;
  const parsed = Number(value);
  return Number.isSafeInteger(parsed) ? parsed : value;
}

function finite(value: unknown): OtlpValue {
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  return text(value);
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function list(value: unknown, key: string): Fields[] {
  const items = isFields(value) ? value[key] : undefined;
  return Array.isArray(items) ? items.filter(isFields) : [];
}
