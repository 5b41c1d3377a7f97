import { Form, Link } from "@remix-run/react";
import { Field, FieldError, FormToken, Submit } from "~/components/ui/forms";

type Props = {
  intent: "create" | "update";
  start: { name: string; value: string; isSecret: boolean };
  error: string | null;
  /** Where giving up leads; null: nowhere. */
  cancel: string | null;
};

const LONGEST_NAME = 256;
const SHOWN_LINES = 8;

/** One variable. A secret one starts empty, because its value is never shown. */
export function VariableForm({ intent, start, error, cancel }: Props) {
  const isNew = intent === "create";
  return (
    <Form method="post" className="formgrid">
      <FormToken intent={intent} />
      {isNew ? (
        <Field
          id="variable-name"
          name="name"
          label="Name"
          className="input mono"
          help="Letters, digits and _, for example DATABASE_URL."
          required
          maxLength={LONGEST_NAME}
          defaultValue={start.name}
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          autoFocus={start.name === ""}
          error={error}
        />
      ) : (
        <p className="mono name">
          <input type="hidden" name="name" value={start.name} />
          {start.name}
        </p>
      )}
      <ValueField start={start} isNew={isNew} error={isNew ? null : error} />
      {isNew || !start.isSecret ? <SecretChoice isSecret={start.isSecret} isNew={isNew} /> : null}
      <div className="row">
        <Submit intent={intent} busy="Saving…" className="btn primary">
          {isNew ? "Add variable" : "Save value"}
        </Submit>
        {cancel === null ? null : (
          <Link className="btn" to={cancel} preventScrollReset>
            {isNew ? "Add nothing" : "Keep as it is"}
          </Link>
        )}
      </div>
    </Form>
  );
}

function ValueField({ start, isNew, error }: Pick<Props, "start" | "error"> & { isNew: boolean }) {
  const replaces = !isNew && start.isSecret;
  const described = [replaces ? "variable-value-help" : "", error ? "variable-value-error" : ""].filter(Boolean).join(" ");
  return (
    <div className="field">
      <label htmlFor="variable-value">{replaces ? "New value" : "Value"}</label>
      <textarea
        id="variable-value"
        name="value"
        className="input mono"
        rows={Math.min(SHOWN_LINES, Math.max(2, start.value.split("\n").length))}
        defaultValue={start.value}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        autoFocus={!isNew || start.name !== ""}
        aria-invalid={error ? true : undefined}
        aria-describedby={described || undefined}
      />
      {replaces ? (
        <span className="help" id="variable-value-help">
          The value that is set is never shown. What is saved here replaces it.
        </span>
      ) : null}
      {error ? <FieldError id="variable-value-error" text={error} /> : null}
    </div>
  );
}

function SecretChoice({ isSecret, isNew }: { isSecret: boolean; isNew: boolean }) {
  return (
    <div className="choice">
      <input
        id="variable-secret"
        type="checkbox"
        className="check"
        name="secret"
        defaultChecked={isSecret}
        aria-describedby="variable-secret-help"
      />
      <label htmlFor="variable-secret">Secret</label>
      <span className="help" id="variable-secret-help">
        {isNew ? "Never shown again, not even here." : "Never shown again from then on. A secret variable stays one."}
      </span>
    </div>
  );
}
