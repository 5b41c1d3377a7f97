/** One OTLP request: unpack, decode, sort, queue, answer. Nothing here waits for the database. */
import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import type { Clock } from "../platform/clock";
import { AppError } from "../utils/appError";
import type { EventWriter } from "./eventWriter.server";
import { decodeRequest, ProtobufError } from "./otlp/protobuf";
import { isFields, readLogs, readTraces } from "./otlp/read";
import { logsToEvents, spansToEvents, type Sorted } from "./toEvents";
import type { EventRow, OtlpAnswer, OtlpMessage, OtlpSignal } from "./types";

/** Of one request, unpacked. The SDK sends 64 items of at most 128 KiB. */
const MAX_OTLP_BYTES = 20 * 1024 * 1024;
const JSON_TYPE = "application/json";
const PROTOBUF_TYPE = "application/x-protobuf";
const DAY_MS = 86_400_000;
/** Runs whose events are counted against their cap; the least recently seen is forgotten and may send its share again. */
const MAX_COUNTED_RUNS = 20_000;

const gunzipAsync = promisify(gunzip);
const inflateAsync = promisify(inflate);

type IngestDeps = { writer: EventWriter; clock: Clock; retentionDays: number; maxEventsPerRun: number };

export class OtlpIngest {
  readonly #deps: IngestDeps;
  readonly #perRun = new Map<string, number>();
  #ignored = 0;
  #mismatched = 0;

  constructor(deps: IngestDeps) {
    this.#deps = deps;
  }

  stats() {
    return { ignored: this.#ignored, mismatched: this.#mismatched };
  }

  /** See `Telemetry.ingest`. */
  async call(envId: string, signal: OtlpSignal, message: OtlpMessage): Promise<OtlpAnswer> {
    const contentType = encodingOf(message.contentType);
    const body = await unpack(message);
    if (signal === "metrics") return accepted(contentType);
    const sorted = this.#sort(envId, signal, decode(signal, contentType, body));
    this.#ignored += sorted.ignored;
    this.#mismatched += sorted.mismatched;
    if (sorted.mismatched > 0 && sorted.rows.length === 0) {
      throw new AppError(
        "environment_mismatch",
        403,
        "These events name another environment than the URL they were sent to. Use the endpoint that the run was given."
      );
    }
    this.#deps.writer.push(sorted.rows.filter((row) => this.#withinCap(row)));
    return sorted.mismatched > 0 ? partlyAccepted(contentType, signal, sorted.mismatched) : accepted(contentType);
  }

  #sort(envId: string, signal: "traces" | "logs", request: unknown): Sorted {
    const nowMs = this.#deps.clock.now();
    const oldestDay = Math.floor(nowMs / DAY_MS) - this.#deps.retentionDays;
    const context = { envId, nowNs: BigInt(nowMs) * 1_000_000n, oldestNs: BigInt(oldestDay * DAY_MS) * 1_000_000n };
    return signal === "traces" ? spansToEvents(readTraces(request), context) : logsToEvents(readLogs(request), context);
  }

  #withinCap(row: EventRow): boolean {
    const count = (this.#perRun.get(row.runId) ?? 0) + 1;
    this.#perRun.delete(row.runId);
    this.#perRun.set(row.runId, count);
    if (this.#perRun.size > MAX_COUNTED_RUNS) {
      for (const oldest of this.#perRun.keys()) {
        this.#perRun.delete(oldest);
        break;
      }
    }
    if (count <= this.#deps.maxEventsPerRun) return true;
    this.#deps.writer.drop(row);
    return false;
  }
}

function encodingOf(contentType: string | null): OtlpAnswer["contentType"] {
  const type = (contentType ?? "").split(";")[0]?.trim().toLowerCase();
  if (type === JSON_TYPE || type === PROTOBUF_TYPE) return type;
  throw new AppError(
    "unsupported_content_type",
    400,
    `OTLP is taken as ${JSON_TYPE} or ${PROTOBUF_TYPE}, not as "${type ?? ""}". Set the exporter's protocol to http/json or http/protobuf.`
  );
}

async function unpack({ body, contentEncoding }: OtlpMessage): Promise<Uint8Array> {
  const encoding = (contentEncoding ?? "identity").trim().toLowerCase();
  if (body.byteLength > MAX_OTLP_BYTES) throw tooLarge();
  try {
    if (encoding === "gzip") return await gunzipAsync(body, { maxOutputLength: MAX_OTLP_BYTES });
    if (encoding === "deflate") return await inflateAsync(body, { maxOutputLength: MAX_OTLP_BYTES });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE") throw tooLarge();
    throw new AppError(
      "invalid_encoding",
      400,
      `The body is not valid ${encoding}. Send it unpacked, or packed as its content-encoding says.`
    );
  }
  if (encoding === "identity" || encoding === "") return body;
  throw new AppError(
    "unsupported_encoding",
    400,
    `Content-encoding "${encoding.slice(0, 40)}" is not supported. Use gzip, deflate or none.`
  );
}

function tooLarge(): AppError {
  return new AppError("body_too_large", 413, `An OTLP request may have at most ${MAX_OTLP_BYTES} bytes unpacked. Send smaller batches.`);
}

function decode(signal: "traces" | "logs", contentType: OtlpAnswer["contentType"], body: Uint8Array): unknown {
  try {
    if (contentType === PROTOBUF_TYPE) return decodeRequest(signal, body);
    const request: unknown =
      body.byteLength === 0 ? {} : JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"));
    if (isFields(request)) return request;
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof ProtobufError)) throw error;
    const reason = error instanceof ProtobufError ? error.message : "the JSON does not parse";
    throw new AppError("invalid_otlp", 400, `This is no OTLP ${signal} request: ${reason}.`);
  }
  throw new AppError("invalid_otlp", 400, `This is no OTLP ${signal} request: the JSON is not an object.`);
}

function accepted(contentType: OtlpAnswer["contentType"]): OtlpAnswer {
  return { contentType, body: contentType === JSON_TYPE ? "{}" : new Uint8Array(0) };
}

const MISMATCH_TEXT = "named another environment";

/** `partial_success` as OTLP has it: field 1 of the answer, in it the count (1) and the reason (2). */
function partlyAccepted(contentType: OtlpAnswer["contentType"], signal: "traces" | "logs", rejected: number): OtlpAnswer {
  if (contentType === JSON_TYPE) {
    const count = signal === "traces" ? "rejectedSpans" : "rejectedLogRecords";
    return { contentType, body: JSON.stringify({ partialSuccess: { [count]: String(rejected), errorMessage: MISMATCH_TEXT } }) };
  }
  const text = Buffer.from(MISMATCH_TEXT);
  const inner = Buffer.concat([Buffer.from([0x08]), varint(rejected), Buffer.from([0x12]), varint(text.length), text]);
  return { contentType, body: Buffer.concat([Buffer.from([0x0a]), varint(inner.length), inner]) };
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 0x80);
  }
}
