import { Form } from "@remix-run/react";
import { closeOnEscape, closeOnLeave } from "./closing";
import { FormToken } from "./forms";

type Props = {
  intent: string;
  id: string;
  /** Name of the field that holds `id`. */
  field?: string;
  /** What is done, and to what: "Revoke", "token". */
  verb?: string;
  noun?: string;
  /** Accessible name of the first button. */
  label: string;
  /** What it does. */
  text: string;
};

/** Two steps: what it does is said before it is done. A `details`, so that it opens without JavaScript. */
export function Revoke({ intent, id, field = "id", verb = "Revoke", noun = "token", label, text }: Props) {
  return (
    <details className="menu" onKeyDown={closeOnEscape} onBlur={closeOnLeave}>
      <summary className="btn sm danger" aria-label={label}>
        {verb}
      </summary>
      <Form method="post" className="pop ask">
        <FormToken intent={intent} />
        <input type="hidden" name={field} value={id} />
        <p className="soft">{text}</p>
        <div>
          <button type="submit" className="btn sm solid-danger">
            {verb} {noun}
          </button>
        </div>
      </Form>
    </details>
  );
}
