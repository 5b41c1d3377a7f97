/** OTLP requests after decoding, the same for JSON and protobuf. */

/** An attribute value; maps have no prototype, so that a key like `__proto__` is only a key. */
export type OtlpValue = string | number | boolean | null | OtlpValue[] | { [key: string]: OtlpValue };
export type OtlpAttributes = ReadonlyMap<string, OtlpValue>;

export type OtlpEvent = { name: string; timeNs: bigint; attributes: OtlpAttributes };

/** Ids are lowercase hex; null where absent or all zero. */
export type OtlpSpan = {
  traceId: string | null;
  spanId: string | null;
  parentSpanId: string | null;
  name: string;
  startNs: bigint;
  endNs: bigint;
  attributes: OtlpAttributes;
  events: OtlpEvent[];
  /** 0 unset, 1 ok, 2 error. */
  statusCode: number;
  statusMessage: string | null;
};

export type OtlpLog = {
  traceId: string | null;
  spanId: string | null;
  timeNs: bigint;
  severityNumber: number;
  severityText: string;
  body: OtlpValue;
  attributes: OtlpAttributes;
};

/** What one resource (a worker process) sent. */
export type OtlpResource<T> = { attributes: OtlpAttributes; items: T[] };
