/** Event streams: a wrapped `ReadableStream` that pings, ends itself after a while, and cleans up when the reader leaves. */

const PING_MS = 15_000;
/** Streams end after a minute, so that connections spread over processes again and none lives for ever. */
const LIFETIME_MS = 60_000;
/** At most two events a second: a page reads itself again for each. */
const QUIET_MS = 500;

export type EventSink = {
  /** Tell the reader that something changed; changes within half a second are one event. */
  change(): void;
  /** Tell it at once, however much was told before: for the few changes that are waited for. */
  changeNow(): void;
};
export type StreamOptions = {
  signal: AbortSignal;
  /** Begin to listen; returns what ends it. Called once, when the stream is read. */
  open: (sink: EventSink) => () => void;
  pingMs?: number;
  lifetimeMs?: number;
};

/**
 * An answer of type `text/event-stream` with events `change` and `change-now` (data: a counter, never content) and, at its
 * planned end, `recycle`. The reader reads its page again on the former and connects again on the latter.
 */
export function eventStream(options: StreamOptions): Response {
  let close = () => undefined as void;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      close = run(controller, options);
    },
    cancel() {
      close();
    },
  });
  return new Response(body, {
    headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store, no-transform", "x-accel-buffering": "no" },
  });
}

/** Streams that are open in this process. */
const open = new Set<() => void>();

/** Ends every stream with `recycle`, so that their connections close and the readers go to another process or wait for this one. */
export function endEventStreams(): void {
  for (const end of [...open]) end();
}

function run(controller: ReadableStreamDefaultController<Uint8Array>, options: StreamOptions): () => void {
  const encoder = new TextEncoder();
  let isOpen = true;
  let version = 0;
  const send = (text: string) => {
    if (isOpen) controller.enqueue(encoder.encode(text));
  };
  const tell = (event: string) => send(`event: ${event}\nid: ${++version}\ndata: ${version}\n\n`);
  const throttle = createThrottle(() => tell("change"));
  const stop = options.open({ change: throttle.call, changeNow: () => tell("change-now") });
  const ping = setInterval(() => send(": ping\n\n"), options.pingMs ?? PING_MS);
  const end = setTimeout(() => endPlanned(), options.lifetimeMs ?? LIFETIME_MS);
  const finish = (planned: boolean) => {
    if (!isOpen) return;
    open.delete(endPlanned);
    if (planned) send("event: recycle\ndata: 1\n\n");
    isOpen = false;
    throttle.stop();
    stop();
    clearInterval(ping);
    clearTimeout(end);
    options.signal.removeEventListener("abort", onAbort);
    try {
      controller.close();
    } catch {
      // The reader left first: the stream is closed already.
    }
  };
  const endPlanned = () => finish(true);
  open.add(endPlanned);
  const onAbort = () => finish(false);
  options.signal.addEventListener("abort", onAbort, { once: true });
  if (options.signal.aborted) finish(false);
  send("retry: 1000\n\n");
  return () => finish(false);
}

/** Calls through at once when it was quiet, else once at the end of the quiet time. */
function createThrottle(callThrough: () => void): { call: () => void; stop: () => void } {
  let timer: ReturnType<typeof setTimeout> | null = null;
  let again = false;
  const fire = () => {
    callThrough();
    timer = setTimeout(() => {
      timer = null;
      if (!again) return;
      again = false;
      fire();
    }, QUIET_MS);
  };
  return {
    call: () => {
      if (timer) again = true;
      else fire();
    },
    stop: () => {
      if (timer) clearTimeout(timer);
      timer = null;
      again = false;
    },
  };
}
