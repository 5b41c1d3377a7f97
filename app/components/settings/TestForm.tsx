import { Form } from "@remix-run/react";
import { Field, FieldError, FormToken, Submit } from "~/components/ui/forms";

type Props = { tasks: readonly string[]; slug: string; chosen: string; payload: string; error: string | null; about: "task" | "payload" };

/** A task's name, offered from the current version, and its payload as JSON. */
export function TestForm({ tasks, slug, chosen, payload, error, about }: Props) {
  const payloadError = about === "payload" ? error : null;
  return (
    <section className="panel" aria-label="Trigger a run">
      <Form method="post" className="formgrid">
        <FormToken intent="trigger" />
        <Field
          id="task"
          name="task"
          label="Task"
          list="tasks"
          defaultValue={chosen}
          required
          maxLength={256}
          autoComplete="off"
          spellCheck={false}
          help={
            tasks.length > 0 ? `Tasks of the current version: ${tasks.slice(0, 8).join(", ")}${tasks.length > 8 ? ", …" : ""}` : undefined
          }
          error={about === "task" ? error : null}
        />
        <datalist id="tasks">
          {tasks.map((task) => (
            <option key={task} value={task} />
          ))}
        </datalist>
        <div className="field">
          <label htmlFor="payload">Payload</label>
          <textarea
            id="payload"
            name="payload"
            className="input"
            rows={12}
            defaultValue={payload}
            spellCheck={false}
            aria-invalid={payloadError ? true : undefined}
            aria-describedby={payloadError ? "payload-help payload-error" : "payload-help"}
          />
          <span className="help" id="payload-help">
            JSON. Leave it empty to trigger without a payload.
          </span>
          {payloadError ? <FieldError id="payload-error" text={payloadError} /> : null}
        </div>
        <div>
          <Submit intent="trigger" busy="Triggering…" className="btn primary">
            Trigger run in {slug}
          </Submit>
        </div>
      </Form>
    </section>
  );
}
