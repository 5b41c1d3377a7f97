/**
 * Decodes OTLP protobuf into the JSON form, driven by tables of field numbers, so that `read.ts` treats both encodings
 * alike. Own code instead of a protobuf library: the six messages below are all that is needed, and unknown fields are
 * skipped as the format asks. Throws `ProtobufError` on truncated or nested-too-deep input.
 */

/** The body is not a valid message; the text says where it went wrong. */
export class ProtobufError extends Error {
  override readonly name = "ProtobufError";
}

type Kind = "text" | "hex" | "base64" | "bool" | "int64" | "varint" | "fixed64" | "double";
type Field = { name: string; kind: Kind | (() => Message); repeated?: boolean };
type Message = Readonly<Record<number, Field>>;

/** attributes inside values inside attributes: far beyond anything an exporter sends. */
const MAX_DEPTH = 40;

const ANY_VALUE: Message = {
  1: { name: "stringValue", kind: "text" },
  2: { name: "boolValue", kind: "bool" },
  3: { name: "intValue", kind: "int64" },
  4: { name: "doubleValue", kind: "double" },
  5: { name: "arrayValue", kind: () => ARRAY_VALUE },
  6: { name: "kvlistValue", kind: () => KEY_VALUE_LIST },
  7: { name: "bytesValue", kind: "base64" },
};
const ARRAY_VALUE: Message = { 1: { name: "values", kind: () => ANY_VALUE, repeated: true } };
const KEY_VALUE: Message = { 1: { name: "key", kind: "text" }, 2: { name: "value", kind: () => ANY_VALUE } };
const KEY_VALUE_LIST: Message = { 1: { name: "values", kind: () => KEY_VALUE, repeated: true } };
const ATTRIBUTES: Field = { name: "attributes", kind: () => KEY_VALUE, repeated: true };
const RESOURCE: Message = { 1: ATTRIBUTES };
const STATUS: Message = { 2: { name: "message", kind: "text" }, 3: { name: "code", kind: "varint" } };
const SPAN_EVENT: Message = { 1: { name: "timeUnixNano", kind: "fixed64" }, 2: { name: "name", kind: "text" }, 3: ATTRIBUTES };
const SPAN: Message = {
  1: { name: "traceId", kind: "hex" },
  2: { name: "spanId", kind: "hex" },
  4: { name: "parentSpanId", kind: "hex" },
  5: { name: "name", kind: "text" },
  7: { name: "startTimeUnixNano", kind: "fixed64" },
  8: { name: "endTimeUnixNano", kind: "fixed64" },
  9: ATTRIBUTES,
  11: { name: "events", kind: () => SPAN_EVENT, repeated: true },
  15: { name: "status", kind: () => STATUS },
};
const SCOPE_SPANS: Message = { 2: { name: "spans", kind: () => SPAN, repeated: true } };
const RESOURCE_SPANS: Message = {
  1: { name: "resource", kind: () => RESOURCE },
  2: { name: "scopeSpans", kind: () => SCOPE_SPANS, repeated: true },
};
const LOG_RECORD: Message = {
  1: { name: "timeUnixNano", kind: "fixed64" },
  2: { name: "severityNumber", kind: "varint" },
  3: { name: "severityText", kind: "text" },
  5: { name: "body", kind: () => ANY_VALUE },
  6: ATTRIBUTES,
  9: { name: "traceId", kind: "hex" },
  10: { name: "spanId", kind: "hex" },
  11: { name: "observedTimeUnixNano", kind: "fixed64" },
};
const SCOPE_LOGS: Message = { 2: { name: "logRecords", kind: () => LOG_RECORD, repeated: true } };
const RESOURCE_LOGS: Message = {
  1: { name: "resource", kind: () => RESOURCE },
  2: { name: "scopeLogs", kind: () => SCOPE_LOGS, repeated: true },
};
const REQUESTS = {
  traces: { 1: { name: "resourceSpans", kind: () => RESOURCE_SPANS, repeated: true } },
  logs: { 1: { name: "resourceLogs", kind: () => RESOURCE_LOGS, repeated: true } },
} satisfies Record<string, Message>;

/** The request in OTLP JSON form. */
export function decodeRequest(signal: keyof typeof REQUESTS, body: Uint8Array): Record<string, unknown> {
  return decodeMessage(REQUESTS[signal], new Reader(body), 0);
}

function decodeMessage(message: Message, reader: Reader, depth: number): Record<string, unknown> {
  if (depth > MAX_DEPTH) throw new ProtobufError(`nested more than ${MAX_DEPTH} deep`);
  const out: Record<string, unknown> = {};
  while (!reader.done) {
    const tag = reader.varint32();
    const field = message[tag >>> 3];
    const wireType = tag & 7;
    if (!field || wireType !== wireTypeOf(field.kind)) {
      reader.skip(wireType);
      continue;
    }
    const value = typeof field.kind === "function" ? decodeMessage(field.kind(), reader.nested(), depth + 1) : scalar(field.kind, reader);
    const earlier = out[field.name];
    if (!field.repeated) out[field.name] = value;
    else if (Array.isArray(earlier)) earlier.push(value);
    else out[field.name] = [value];
  }
  return out;
}

function wireTypeOf(kind: Field["kind"]): number {
  switch (kind) {
    case "bool":
    case "int64":
    case "varint":
      return 0;
    case "fixed64":
    case "double":
      return 1;
    default:
      return 2;
  }
}

function scalar(kind: Kind, reader: Reader): string | number | boolean {
  switch (kind) {
    case "text":
      return reader.bytes().toString("utf8");
    case "hex":
      return reader.bytes().toString("hex");
    case "base64":
      return reader.bytes().toString("base64");
    case "bool":
      return reader.varint64() !== 0n;
    case "int64":
      return BigInt.asIntN(64, reader.varint64()).toString();
    case "varint":
      return Number(reader.varint64());
    case "fixed64":
      return reader.fixed64().readBigUInt64LE().toString();
    case "double":
      return reader.fixed64().readDoubleLE();
  }
}

/** A cursor over one message; every read is checked against its end. */
class Reader {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#data = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  }

  get done(): boolean {
    return this.#at >= this.#data.length;
  }

  varint32(): number {
    return Number(this.varint64() & 0xffff_ffffn);
  }

  varint64(): bigint {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt(low >>> 0);
    }
    let value = BigInt(low >>> 0);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new ProtobufError(`varint longer than 10 bytes at byte ${this.#at}`);
  }

  fixed64(): Buffer {
    return this.#take(8);
  }

  bytes(): Buffer {
    return this.#take(Number(this.varint64()));
  }

  nested(): Reader {
    return new Reader(this.bytes());
  }

  skip(wireType: number): void {
    if (wireType === 0) this.varint64();
    else if (wireType === 1) this.#take(8);
    else if (wireType === 2) this.bytes();
    else if (wireType === 5) this.#take(4);
    else throw new ProtobufError(`unknown wire type ${wireType} at byte ${this.#at}`);
  }

  #byte(): number {
    const byte = this.#data[this.#at++];
    if (byte === undefined) throw new ProtobufError("the message ends in the middle of a field");
    return byte;
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#data.length) throw new ProtobufError("the message ends in the middle of a field");
    const part = this.#data.subarray(this.#at, end);
    this.#at = end;
    return part;
  }
}
