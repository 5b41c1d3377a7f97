import { Form, Link } from "@remix-run/react";
import { Ban, RotateCw } from "lucide-react";
import { CopyButton } from "~/components/ui/CopyButton";
import { FormToken, Submit } from "~/components/ui/forms";
import { StatusBadge } from "~/components/ui/Status";
import { Time } from "~/components/ui/Time";
import type { RunView } from "~/presenters/views";

/** Name, status, id, the facts that matter at once, and what can be done. */
export function RunHead({ run }: { run: RunView }) {
  return (
    <section className="head">
      <div className="grow">
        <div className="row flex-wrap" style={{ gap: 10 }}>
          <h1>{run.task}</h1>
          <StatusBadge status={run.status} />
          <span className="row mono soft" style={{ gap: 4 }}>
            {run.friendlyId}
            <CopyButton text={run.friendlyId} what="run id" />
          </span>
        </div>
        <div className="row soft flex-wrap" style={{ gap: "4px 14px" }}>
          <HeadFacts run={run} />
        </div>
      </div>
      <RunActions run={run} />
    </section>
  );
}

function HeadFacts({ run }: { run: RunView }) {
  const attempts = run.maxAttempts ? `Attempt ${run.attempt} of ${run.maxAttempts}` : `Attempt ${run.attempt}`;
  return (
    <>
      <span>
        Version{" "}
        {run.version ? (
          <Link className="mono link" to={run.version.href}>
            {run.version.name}
          </Link>
        ) : (
          "not decided"
        )}
      </span>
      <span>
        Queue{" "}
        <Link className="mono link" to={run.queue.href}>
          {run.queue.name}
        </Link>
      </span>
      {run.machine ? <span>Machine {run.machine}</span> : null}
      {run.attempt > 0 ? <span>{attempts}</span> : null}
      <span>
        {run.triggeredBy}, <Time ms={run.createdAt} nowMs={run.asOf} />
      </span>
    </>
  );
}

/** Cancel needs no confirm step: a cancelled run can be replayed with the same payload. */
function RunActions({ run }: { run: RunView }) {
  return (
    <div className="row acts">
      <Form method="post">
        <FormToken intent="replay" />
        <Submit intent="replay" busy="Replaying…">
          <RotateCw className="i s" aria-hidden="true" />
          Replay
        </Submit>
      </Form>
      {run.cancelable ? (
        <Form method="post">
          <FormToken intent="cancel" />
          <Submit intent="cancel" busy="Canceling…" className="btn danger">
            <Ban className="i s" aria-hidden="true" />
            Cancel run
          </Submit>
        </Form>
      ) : null}
    </div>
  );
}
