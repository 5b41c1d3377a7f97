import { CopyButton } from "~/components/ui/CopyButton";
import { Words } from "~/components/ui/Words";
import type { FailureView } from "~/presenters/deployments/views";

/** The error, then where, why and next; the full text on request. */
export function FailurePanel({ failure }: { failure: FailureView }) {
  return (
    <div className="errbox">
      <p className="mono">{failure.title}</p>
      <dl className="facts">
        <dt>Where</dt>
        <dd>
          <Words words={failure.where} />
        </dd>
        <dt>Why</dt>
        <dd>
          <Words words={failure.why} />
        </dd>
        <dt>Next</dt>
        <dd>
          <Words words={failure.next} />
        </dd>
      </dl>
      <FullError text={failure.full} />
    </div>
  );
}

/** Everything that was kept of an error, folded. */
export function FullError({ text }: { text: string }) {
  return (
    <details>
      <summary className="btn sm">View full error</summary>
      <div className="mt-2">
        <CopyButton text={text} what="full error" look="text" />
      </div>
      <pre className="code wrap">{text}</pre>
    </details>
  );
}
