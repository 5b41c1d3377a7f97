/** The event streams of pages: what is gathered, and what is told at once. */
import { describe, expect, it } from "vitest";
import { eventStream, type EventSink } from "./sse.server";

/** An open stream with its sink, and a reader that waits until the text so far fits. */
async function open() {
  const leave = new AbortController();
  let sink: EventSink | undefined;
  const answer = eventStream({
    signal: leave.signal,
    open: (given) => {
      sink = given;
      return () => undefined;
    },
  });
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const until = async (fits: (text: string) => boolean) => {
    while (!fits(text)) text += (await reader?.read())?.value ?? "";
    return text;
  };
  await until((so) => so.includes("retry:"));
  if (!sink) throw new Error("The stream was not opened.");
  return { sink, until, leave: () => leave.abort() };
}

const count = (text: string, event: string) => text.split(`event: ${event}\n`).length - 1;

describe("an event stream", () => {
  it("gathers changes that follow each other, and tells urgent ones at once", async () => {
    const stream = await open();
    for (let i = 0; i < 5; i++) stream.sink.change();
    stream.sink.changeNow();
    const first = await stream.until((text) => count(text, "change-now") === 1);
    expect(count(first, "change")).toBe(1);
    stream.sink.changeNow();
    await stream.until((text) => count(text, "change-now") === 2);
    const last = await stream.until((text) => count(text, "change") === 2);
    expect(last.match(/^data: \d+$/gm)).toEqual(["data: 1", "data: 2", "data: 3", "data: 4"]);
    stream.leave();
  });
});
