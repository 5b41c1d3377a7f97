import type { ReactNode } from "react";
import type { DataView } from "~/presenters/views";
import { formatBytes } from "~/utils/format";

/** A value as text with its names, strings and numbers told apart; says so where it was cut or lies elsewhere. */
export function JsonView({ data, empty }: { data: DataView; empty: string }) {
  if (data.kind === "none") return <p className="muted px-3.5 py-2.5">{empty}</p>;
  if (data.kind === "stored") {
    return (
      <p className="soft px-3.5 py-2.5">
        Kept in the packet store, because it is large: <span className="mono">{data.text}</span>
      </p>
    );
  }
  return (
    <div className="min-w-0">
      <pre className="code flat wrap" tabIndex={0} aria-label="Value">
        {data.kind === "json" ? highlight(data.text) : data.text}
      </pre>
      {data.cut ? (
        <p className="meta muted px-3.5 pb-2.5">Cut here. The whole value has {formatBytes(data.bytes)}; the API returns it.</p>
      ) : null}
    </div>
  );
}

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/g;

/** Marks the tokens of printed JSON; what lies between them is punctuation and space. */
function highlight(json: string): ReactNode[] {
  const out: ReactNode[] = [];
  let at = 0;
  for (const match of json.matchAll(TOKEN)) {
    const [whole, text, colon] = match;
    if (match.index > at) out.push(json.slice(at, match.index));
    const kind = text ? (colon ? "k" : "s") : "n";
    out.push(
      <span key={match.index} className={kind}>
        {text ?? whole}
      </span>
    );
    if (colon) out.push(colon);
    at = match.index + whole.length;
  }
  out.push(json.slice(at));
  return out;
}
