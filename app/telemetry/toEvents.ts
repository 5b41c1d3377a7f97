/**
 * Which spans and logs are kept, and what a row holds of them. Only what the SDK marks with `$trigger` and attributes to
 * a run counts; what names another environment than the request's token is refused; a partial span whose final one is in
 * the same request is left out.
 */
import { randomBytes } from "node:crypto";
import { parseFriendlyId } from "../utils/ids";
import type { OtlpAttributes, OtlpEvent, OtlpLog, OtlpResource, OtlpSpan, OtlpValue } from "./otlp/model";
import { cleanText } from "./text";
import { EVENT_LEVELS, type EventLevel, type EventRow, type SpanEvent } from "./types";

const MESSAGE_BYTES = 4 * 1024;
/** Characters of one row's attribute JSON, and of its span events. */
const MAX_ATTRIBUTES_CHARS = 131_072;
const MAX_ATTRIBUTES = 1_024;
/** The SDK itself sends at most 10 events a span. */
const MAX_SPAN_EVENTS = 20;
const ROW_OVERHEAD_BYTES = 300;
const FUTURE_TOLERANCE_NS = 3_600_000_000_000n;

const RUN_ID = "ctx.run.id";
const ENVIRONMENT_ID = "ctx.environment.id";
const ATTEMPT = "ctx.attempt.number";
const METADATA = "$metadata.";
/** Read here, or known from the run; not worth storing with every row. */
const DROPPED_PREFIXES = ["$metadata", "ctx.", "$span.", "$trigger"];

/** What the request as a whole came to. */
export type Sorted = { rows: EventRow[]; ignored: number; mismatched: number };

/** `oldestNs`: start of the retention; what began before it has no partition. */
export type SortContext = { envId: string; nowNs: bigint; oldestNs: bigint };

type Origin = { runId: string; attempt: number | null };

/** Rows of a traces request. */
export function spansToEvents(resources: readonly OtlpResource<OtlpSpan>[], context: SortContext): Sorted {
  const finals = new Set<string>();
  for (const { items } of resources) {
    for (const span of items) if (span.spanId && !isPartial(span)) finals.add(span.spanId);
  }
  return sort(resources, context, (span, origin) => {
    const partial = isPartial(span);
    const spanId = partial ? textOf(span.attributes.get("$span.span_id")) : span.spanId;
    if (!spanId || !/^[0-9a-f]{16}$/.test(spanId)) return null;
    if (partial && finals.has(spanId)) return "duplicate";
    return spanRow({ span, spanId, partial, origin, context });
  });
}

/** Rows of a logs request. */
export function logsToEvents(resources: readonly OtlpResource<OtlpLog>[], context: SortContext): Sorted {
  return sort(resources, context, (record, origin) => logRow(record, origin, context));
}

function sort<T extends { attributes: OtlpAttributes }>(
  resources: readonly OtlpResource<T>[],
  context: SortContext,
  toRow: (item: T, origin: Origin) => EventRow | "duplicate" | null
): Sorted {
  const out: Sorted = { rows: [], ignored: 0, mismatched: 0 };
  for (const resource of resources) {
    const ours = resource.attributes.get("$trigger") === true || resource.attributes.get("exec_env") === "trigger";
    for (const item of resource.items) {
      const env = attribute(item.attributes, resource.attributes, ENVIRONMENT_ID);
      if (typeof env === "string" && env !== context.envId) {
        out.mismatched++;
        continue;
      }
      const origin = ours || item.attributes.get("$trigger") === true ? originOf(item.attributes, resource.attributes) : null;
      const row = origin ? toRow(item, origin) : null;
      if (row === null) out.ignored++;
      else if (row !== "duplicate") out.rows.push(row);
    }
  }
  return out;
}

/** A warm process reports several runs: what the item says of itself beats what its resource says. */
function attribute(item: OtlpAttributes, resource: OtlpAttributes, name: string): OtlpValue | undefined {
  return item.get(METADATA + name) ?? item.get(name) ?? resource.get(name);
}

function originOf(item: OtlpAttributes, resource: OtlpAttributes): Origin | null {
  const runId = parseFriendlyId("run", textOf(attribute(item, resource, RUN_ID)) ?? "");
  if (!runId) return null;
  const attempt = attribute(item, resource, ATTEMPT);
  return {
    runId,
    attempt: typeof attempt === "number" && Number.isInteger(attempt) && attempt > 0 && attempt < 1_000_000 ? attempt : null,
  };
}

function isPartial(span: OtlpSpan): boolean {
  return span.attributes.get("$span.partial") === true;
}

type SpanInput = { span: OtlpSpan; spanId: string; partial: boolean; origin: Origin; context: SortContext };

function spanRow({ span, spanId, partial, origin, context }: SpanInput): EventRow | null {
  const startNs = boundedTime(span.startNs, context);
  if (!span.traceId || startNs === null) return null;
  const isError = !partial && span.statusCode === 2;
  const attributes = attributesJson(span.attributes);
  const events = eventsJson(span, isError);
  const message = cleanText(span.name, MESSAGE_BYTES);
  return {
    kind: partial ? "partial" : "span",
    traceId: span.traceId,
    spanId,
    parentSpanId: span.parentSpanId,
    ...origin,
    envId: context.envId,
    level: "TRACE",
    isError,
    startNs: startNs.toString(),
    durationNs: partial || span.endNs < span.startNs ? "0" : (span.endNs - span.startNs).toString(),
    message,
    attributes,
    events,
    bytes: sizeOf(message, attributes, events),
  };
}

function logRow(record: OtlpLog, origin: Origin, context: SortContext): EventRow | null {
  const startNs = boundedTime(record.timeNs > 0n ? record.timeNs : context.nowNs, context);
  if (!record.traceId || startNs === null) return null;
  const level = levelOf(record);
  const attributes = attributesJson(record.attributes);
  const message = cleanText(typeof record.body === "string" ? record.body : JSON.stringify(record.body), MESSAGE_BYTES);
  return {
    kind: "log",
    traceId: record.traceId,
    spanId: randomBytes(8).toString("hex"),
    parentSpanId: record.spanId,
    ...origin,
    envId: context.envId,
    level,
    isError: level === "ERROR",
    startNs: startNs.toString(),
    durationNs: "0",
    message,
    attributes,
    events: null,
    bytes: sizeOf(message, attributes, null),
  };
}

/** A clock that runs ahead is pulled to now; what is older than the retention (or has no time) is no event of ours. */
function boundedTime(timeNs: bigint, { nowNs, oldestNs }: SortContext): bigint | null {
  if (timeNs < oldestNs) return null;
  return timeNs > nowNs + FUTURE_TOLERANCE_NS ? nowNs : timeNs;
}

/** The text wins over the number: the console's `log` and `info` share a number. */
function levelOf(record: OtlpLog): EventLevel {
  const named = record.severityText.toUpperCase();
  const known = EVENT_LEVELS.find((level) => level === named);
  if (known) return known;
  if (record.severityNumber >= 17) return "ERROR";
  if (record.severityNumber >= 13) return "WARN";
  if (record.severityNumber >= 9) return "INFO";
  if (record.severityNumber >= 5) return "DEBUG";
  return record.severityNumber >= 1 ? "TRACE" : "LOG";
}

/** As many attributes as fit; one that is too large is left out, the ones after it still have their chance. */
function attributesJson(attributes: OtlpAttributes): string | null {
  const parts: string[] = [];
  let room = MAX_ATTRIBUTES_CHARS;
  for (const [key, value] of attributes) {
    if (parts.length >= MAX_ATTRIBUTES || DROPPED_PREFIXES.some((prefix) => key.startsWith(prefix))) continue;
    const part = `${JSON.stringify(cleanText(key, 512))}:${JSON.stringify(typeof value === "string" ? cleanText(value, MAX_ATTRIBUTES_CHARS) : value)}`;
    if (part.length + 1 > room) continue;
    room -= part.length + 1;
    parts.push(part);
  }
  return parts.length > 0 ? `{${parts.join(",")}}` : null;
}

function eventsJson(span: OtlpSpan, isError: boolean): string | null {
  const events = span.events.slice(0, MAX_SPAN_EVENTS).map(spanEvent);
  if (isError && span.statusMessage && !events.some((event) => event.name === "exception")) {
    events.push({
      name: "exception",
      time: isoTime(span.endNs),
      properties: { exception: { message: cleanText(span.statusMessage, MESSAGE_BYTES) } },
    });
  }
  while (events.length > 0) {
    const json = JSON.stringify(events);
    if (json.length <= MAX_ATTRIBUTES_CHARS) return json;
    events.pop();
  }
  return null;
}

function spanEvent(event: OtlpEvent): SpanEvent {
  const time = isoTime(event.timeNs);
  if (event.name !== "exception") {
    return {
      name: cleanText(event.name, 512),
      time,
      properties: JSON.parse(attributesJson(event.attributes) ?? "{}") as Record<string, unknown>,
    };
  }
  const part = (name: string, maxBytes: number) => {
    const value = textOf(event.attributes.get(`exception.${name}`));
    return value === null ? undefined : cleanText(value, maxBytes);
  };
  const exception = { type: part("type", 512), message: part("message", MESSAGE_BYTES), stacktrace: part("stacktrace", 32 * 1024) };
  return { name: "exception", time, properties: { exception } };
}

function isoTime(timeNs: bigint): string {
  const ms = Number(timeNs / 1_000_000n);
  return new Date(Math.min(ms, 8.64e15)).toISOString();
}

function textOf(value: OtlpValue | undefined): string | null {
  return typeof value === "string" ? value : null;
}

function sizeOf(message: string, attributes: string | null, events: string | null): number {
  return ROW_OVERHEAD_BYTES + message.length + (attributes?.length ?? 0) + (events?.length ?? 0);
}
