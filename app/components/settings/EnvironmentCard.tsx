import { Form } from "@remix-run/react";
import { Pause, Play, RotateCw } from "lucide-react";
import { CopyButton } from "~/components/ui/CopyButton";
import { Banner } from "~/components/ui/Banner";
import { FormToken, Submit } from "~/components/ui/forms";
import { Time } from "~/components/ui/Time";
import { glyphOf } from "~/components/shell/place";
import type { EnvironmentCard as Card } from "~/presenters/keys.server";
import { formatCount, maskSecret } from "~/utils/format";

const GRACES: readonly { hours: number; words: string }[] = [
  { hours: 24, words: "a day" },
  { hours: 1, words: "an hour" },
  { hours: 168, words: "a week" },
  { hours: 0, words: "not at all: it stops now" },
];

/** Key, limit and pause of one environment. Everything is a form, and works without JavaScript. */
export function EnvironmentCard({ card, asOf, current }: { card: Card; asOf: number; current: boolean }) {
  return (
    <section className="panel" aria-labelledby={`env-${card.id}`}>
      <header>
        <i className={glyphOf(card.slug)} />
        <h2 id={`env-${card.id}`}>{card.slug}</h2>
        {current ? <span className="tag">this one</span> : null}
        {card.pausedAt === null ? null : <span className="badge c-hold">Paused</span>}
        <span className="grow" />
        <span className="meta muted num">
          {card.running === null ? "–" : formatCount(card.running)} executing, {card.queued === null ? "–" : formatCount(card.queued)}{" "}
          queued
        </span>
      </header>
      {card.pausedAt === null ? null : (
        <div className="px-4 pt-3">
          <Banner kind="hold" title={`${card.slug} is paused.`} text="Runs are accepted and wait. Runs that execute go on." />
        </div>
      )}
      <div className="envrow">
        <KeyPart card={card} asOf={asOf} />
        <div className="grid content-start gap-4">
          <LimitPart card={card} />
          <PausePart card={card} />
        </div>
      </div>
    </section>
  );
}

function KeyPart({ card, asOf }: { card: Card; asOf: number }) {
  return (
    <div className="grid min-w-0 content-start gap-2">
      <span className="name">Secret key</span>
      <span className="secret">
        <code className="mono">{maskSecret(card.secretKey)}</code>
        <CopyButton text={card.secretKey} what={`secret key of ${card.slug}`} />
      </span>
      <details>
        <summary className="link meta cursor-pointer">Reveal the key</summary>
        <code className="mono code mt-1 block select-all whitespace-normal break-all">{card.secretKey}</code>
      </details>
      <details>
        <summary className="link meta cursor-pointer">Rotate the key</summary>
        <Form method="post" className="mt-2 flex flex-wrap items-end gap-2">
          <FormToken intent="rotate" />
          <input type="hidden" name="env" value={card.id} />
          <span className="field">
            <label htmlFor={`grace-${card.id}`}>The old key works for</label>
            <select id={`grace-${card.id}`} name="graceHours" className="input" defaultValue="24">
              {GRACES.map((grace) => (
                <option key={grace.hours} value={grace.hours}>
                  {grace.words}
                </option>
              ))}
            </select>
          </span>
          <Submit intent="rotate" busy="Rotating…">
            <RotateCw className="i s" aria-hidden="true" />
            Rotate key
          </Submit>
        </Form>
      </details>
      {card.graceUntil.length > 0 ? <GracePart card={card} asOf={asOf} /> : null}
    </div>
  );
}

function GracePart({ card, asOf }: { card: Card; asOf: number }) {
  return (
    <Form method="post" className="row flex-wrap">
      <FormToken intent="revoke-old" />
      <input type="hidden" name="env" value={card.id} />
      <span className="meta soft">
        An old key works until <Time ms={Math.max(...card.graceUntil)} nowMs={asOf} />.
      </span>
      <Submit intent="revoke-old" busy="Revoking…" className="btn sm danger">
        Revoke old keys
      </Submit>
    </Form>
  );
}

function LimitPart({ card }: { card: Card }) {
  const id = `limit-${card.id}`;
  return (
    <Form method="post" className="field">
      <FormToken intent="set-limit" />
      <input type="hidden" name="env" value={card.id} />
      <label htmlFor={id}>Runs at once</label>
      <span className="row">
        <input
          id={id}
          name="limit"
          type="number"
          className="input num"
          min={0}
          max={1000000}
          step={1}
          required
          defaultValue={card.limit}
          key={card.limit}
          aria-describedby={`${id}-help`}
        />
        <Submit intent="set-limit" busy="Saving…">
          Save
        </Submit>
      </span>
      <span className="help" id={`${id}-help`}>
        {card.burstFactor > 1
          ? `Short bursts may reach ${formatCount(Math.floor(card.limit * card.burstFactor))}.`
          : "Further runs wait in their queues."}
      </span>
    </Form>
  );
}

function PausePart({ card }: { card: Card }) {
  const paused = card.pausedAt !== null;
  const intent = paused ? "resume" : "pause";
  const Icon = paused ? Play : Pause;
  return (
    <Form method="post">
      <FormToken intent={intent} />
      <input type="hidden" name="env" value={card.id} />
      <Submit intent={intent} busy={paused ? "Resuming…" : "Pausing…"}>
        <Icon className="i s" aria-hidden="true" />
        {paused ? `Resume ${card.slug}` : `Pause ${card.slug}`}
      </Submit>
    </Form>
  );
}
