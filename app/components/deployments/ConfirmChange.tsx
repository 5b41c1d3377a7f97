import { Form, Link } from "@remix-run/react";
import {
  ArrowRight,
  Braces,
  Check,
  CircleDot,
  CirclePause,
  CirclePlay,
  Clock,
  Layers,
  Package,
  Server,
  Undo2,
  Upload,
  type LucideIcon,
} from "lucide-react";
import { useEffect, useRef } from "react";
import { Banner } from "~/components/ui/Banner";
import { FormToken, Submit } from "~/components/ui/forms";
import { Words } from "~/components/ui/Words";
import type { ChangePoint, ChangeSide, ChangeView } from "~/presenters/deployments/views";
import { DeploymentStatus } from "./DeploymentStatus";

const ICONS: Record<ChangePoint["icon"], LucideIcon> = {
  run: CirclePlay,
  task: Package,
  clock: Clock,
  pause: CirclePause,
  flight: CircleDot,
  variables: Braces,
  data: Server,
  queue: Layers,
  check: Check,
};
const QUESTIONS: Record<ChangeView["kind"], (view: ChangeView) => [string, string]> = {
  promote: (view) => [`Promote`, `to current in ${view.envSlug}?`],
  rollback: (view) => [`Roll back ${view.envSlug} to`, "?"],
  confirm: () => ["Keep", "as the current version?"],
};
const DO_ICONS: Record<ChangeView["kind"], LucideIcon> = { promote: Upload, rollback: Undo2, confirm: Check };
const AFTER: Record<ChangeView["kind"], string> = {
  promote: "After the promotion",
  rollback: "After the rollback",
  confirm: "Current now",
};

/** The confirm step: from and to side by side, what changes and what stays, both outcomes as buttons. */
export function ConfirmChange({ view }: { view: ChangeView }) {
  const [before, after] = QUESTIONS[view.kind](view);
  const DoIcon = DO_ICONS[view.kind];
  const keep = useRef<HTMLAnchorElement>(null);
  // Focus starts on the safe one, without scrolling to it: on a phone it is below what has to be read first.
  useEffect(() => keep.current?.focus({ preventScroll: true }), []);
  return (
    <div className="rb">
      <header>
        <h1>
          {before} <span className="mono">{view.to.version}</span>
          {after.startsWith("?") ? after : ` ${after}`}
        </h1>
        {view.intro ? <p className="soft mt-1">{view.intro}</p> : null}
      </header>
      {view.refusal ? <Banner kind="bad" title="This cannot be done now." text={view.refusal} /> : null}
      <div className={view.from ? "swap" : "swap one"}>
        {view.from ? <Side side={view.from} label="Current now" to={false} /> : null}
        {view.from ? (
          <span className="arrow">
            <ArrowRight className="i" aria-hidden="true" />
          </span>
        ) : null}
        <Side side={view.to} label={AFTER[view.kind]} to />
      </div>
      {view.refusal ? null : (
        <div className="twocol">
          <Points title="What changes" icon={DoIcon} points={view.changes} />
          <Points title="What stays as it is" icon={Check} points={view.stays} />
        </div>
      )}
      <Form method="post" className="confirm-foot">
        <FormToken intent={view.kind} />
        {view.refusal ? null : (
          <Submit intent={view.kind} busy={view.busyLabel} className="btn primary">
            <DoIcon className="i s" aria-hidden="true" />
            {view.doLabel}
          </Submit>
        )}
        <Link className="btn" to={view.keepHref} ref={keep}>
          {view.keepLabel}
        </Link>
        <span className="grow" />
        {view.refusal ? null : <span className="meta muted">{view.recorded}</span>}
      </Form>
      {view.refusal ? null : (
        <pre className="code prewrap">
          <span className="d"># the same from a terminal</span>
          {`\n${view.command}`}
        </pre>
      )}
    </div>
  );
}

function Side({ side, label, to }: { side: ChangeSide; label: string; to: boolean }) {
  const { commit } = side;
  return (
    <section className={to ? "side to" : "side"} aria-label={label}>
      <span className="meta muted">{label}</span>
      <div className="row">
        <span className="mono ver">{side.version}</span>
        {to ? <DeploymentStatus status={side.status} /> : <span className="tag current">Current</span>}
      </div>
      <p className="soft">
        {commit.sha ? <span className="mono">{commit.sha}</span> : null} {commit.message ?? (commit.sha ? "" : "No commit message")}
      </p>
      <p className="meta muted num">{side.summary}</p>
    </section>
  );
}

function Points({ title, icon: Icon, points }: { title: string; icon: LucideIcon; points: readonly ChangePoint[] }) {
  return (
    <section className="panel" aria-label={title}>
      <header>
        <Icon className="i s" aria-hidden="true" />
        <h2>{title}</h2>
      </header>
      <ul className="points">
        {points.map((point, i) => (
          <Point key={i} point={point} />
        ))}
      </ul>
    </section>
  );
}

function Point({ point }: { point: ChangePoint }) {
  const Icon = ICONS[point.icon];
  return (
    <li>
      <Icon className="i" aria-hidden="true" />
      <div>
        <b>
          <Words words={point.title} />
        </b>
        {point.text.length > 0 ? (
          <p className="soft">
            <Words words={point.text} />
          </p>
        ) : null}
      </div>
    </li>
  );
}
