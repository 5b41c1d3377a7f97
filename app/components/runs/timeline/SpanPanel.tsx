import { Link } from "@remix-run/react";
import { X } from "lucide-react";
import type { SpanView } from "~/presenters/views";
import { ErrorPanel } from "../ErrorPanel";
import { JsonView } from "../JsonView";

/** The selected line of the timeline with all that is known of it. */
export function SpanPanel({ span }: { span: SpanView }) {
  return (
    <section className="panel" aria-label={`Span ${span.name}`}>
      <header>
        <h2 className="grow cut">{span.name}</h2>
        <Link className="btn sm ghost" to={span.closeHref} preventScrollReset aria-label="Close span">
          <X className="i xs" aria-hidden="true" />
        </Link>
      </header>
      {span.errors.map((error, i) => (
        <ErrorPanel key={i} title="Exception" view={error} />
      ))}
      <JsonView data={span.attributes} empty="This span has no attributes." />
    </section>
  );
}
